import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { addRecipient, removeRecipient } from "../../agent/keys/change-recipients.ts";
import { endEpochs } from "../../agent/keys/end-epochs.ts";
import { rotateEpochs } from "../../agent/keys/rotate-epochs.ts";
import { deleteBackup } from "../../agent/marks/delete-backup.ts";
import { holdBackup, releaseBackup } from "../../agent/marks/hold-backup.ts";
import { undeleteBackup } from "../../agent/marks/mark-backup.ts";
import { pruneRepository } from "../../agent/prune/prune-repository.ts";
import { generateIdentity } from "../../agent/repository/identity.ts";
import { openRepository } from "../../agent/repository/open-repository.ts";
import { readMarkState } from "../../agent/repository/read-marks.ts";
import { fileRecipient } from "../../agent/repository/recipient.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";
import { syncRepository } from "../../agent/sync/sync-repository.ts";
import { Secret } from "../../core/secret.ts";
import { DbctlError } from "../../core/errors.ts";
import { signal } from "../fixtures/scratch-repository.ts";
import { backUpHost } from "./back-up-host.ts";
import { Crash } from "./trouble.ts";
import { addHost, clockOf, type Known, note, type World } from "./world.ts";

/** Does one thing through the store that it is given, and keeps the model true to it. */
export type Operation = (world: World, store: ObjectStore) => Promise<void>;

const dayMs = 24 * 3600 * 1000;

/** How often each is done, and what. */
export const operations = {
  backup: { weight: 38, act: backUpHost },
  delete: { weight: 22, act: deleteOne },
  undelete: { weight: 5, act: undeleteOne },
  hold: { weight: 3, act: holdOne },
  release: { weight: 4, act: releaseOne },
  prune: { weight: 14, act: prune },
  clock: { weight: 8, act: moveClock },
  rotate: { weight: 2, act: rotate },
  "new-epoch": { weight: 1, act: endAll },
  "lose-state": { weight: 1, act: loseState },
  sync: { weight: 4, act: sync },
  clone: { weight: 0.5, act: cloneHost },
  rights: { weight: 1, act: changeRights },
} satisfies Record<string, { weight: number; act: Operation }>;

/** What a refusal or a failure leaves is looked up; a crash is the caller's. */
async function changeMarks(world: World, known: Known, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof DbctlError) && !(error instanceof Crash)) throw error;
    await adoptMarks(world, known);
    throw error;
  }
  await adoptMarks(world, known);
}

/** The marks are a chain that is written one by one: what they say is what is so. */
async function adoptMarks(world: World, known: Known): Promise<void> {
  const repository = await openRepository(world.store, { signal });
  const place = { repository: repository.id, instance: known.instance, id: known.id };
  const state = await readMarkState(world.store, place, { signal });
  if (state.removing === undefined) {
    known.held = state.held !== undefined;
    known.deletedUntil = state.deleted?.until.getTime();
  }
}

async function headerOf(world: World, known: Known) {
  const { readHeader } = await import("../../agent/repository/read-header.ts");
  const key = `${known.instance}/backups/${known.id}/manifest`;
  return (await readHeader(world.store, key, { signal })).header;
}

function marking(world: World, store: ObjectStore) {
  return { store, by: "model", reason: "", now: clockOf(world), signal };
}

async function deleteOne(world: World, store: ObjectStore): Promise<void> {
  const known = world.random.pick([...world.backups.values()]);
  if (known === undefined) return;
  const header = await headerOf(world, known);
  const window = world.random.pick([0, 3600, 7 * 24 * 3600]) ?? 0;
  const options = { ...marking(world, store), window, lastOne: world.random.chance(0.3) };
  note(world, `delete ${known.id} for ${window} s`);
  const was = { ...known };
  await changeMarks(world, known, async () => deleteBackup(header, { ...options, confirm: true }));
  if (was.held && known.deletedUntil !== undefined && was.deletedUntil === undefined)
    throw new Error(`${known.id} was held, and is deleted`);
}

async function undeleteOne(world: World, store: ObjectStore): Promise<void> {
  const deleted = [...world.backups.values()].filter((one) => one.deletedUntil !== undefined);
  const known = world.random.pick(deleted);
  if (known === undefined) return;
  const header = await headerOf(world, known);
  note(world, `undelete ${known.id}`);
  await changeMarks(world, known, () => undeleteBackup(header, marking(world, store)));
}

async function holdOne(world: World, store: ObjectStore): Promise<void> {
  const known = world.random.pick([...world.backups.values()]);
  if (known === undefined) return;
  const header = await headerOf(world, known);
  note(world, `hold ${known.id}`);
  await changeMarks(world, known, () => holdBackup(header, marking(world, store)));
}

async function releaseOne(world: World, store: ObjectStore): Promise<void> {
  const known = world.random.pick([...world.backups.values()].filter(({ held }) => held));
  if (known === undefined) return;
  const header = await headerOf(world, known);
  note(world, `release ${known.id}`);
  await changeMarks(world, known, () => releaseBackup(header, marking(world, store)));
}

/** Only what was deleted for longer than its window, and is not held, may go. */
export async function prune(world: World, store: ObjectStore): Promise<void> {
  const repository = await openRepository(world.store, { signal });
  note(world, `prune at ${clockOf(world).toISOString()}`);
  const options = { store, repository: repository.id, by: "model", confirm: true, signal };
  const may = new Set(
    [...world.backups.values()]
      .filter(({ held, deletedUntil = Infinity }) => !held && deletedUntil <= world.time)
      .map(({ id }) => id),
  );
  try {
    for await (const event of pruneRepository({ ...options, now: () => clockOf(world) }))
      if (event.kind === "backup-removed") world.backups.delete(event.backup);
  } finally {
    // What it has begun to remove, it may have removed.
    for (const id of may) if (world.backups.has(id)) await forgetIfGone(world, id);
  }
}

async function forgetIfGone(world: World, id: string): Promise<void> {
  const known = world.backups.get(id);
  if (known === undefined) return;
  const key = `${known.instance}/backups/${id}/manifest`;
  if ((await world.store.head(key, { signal })) === undefined) world.backups.delete(id);
}

/** Forward for all; a host's own clock also back, but for one that may only write: by a little. */
async function moveClock(world: World): Promise<void> {
  const { random } = world;
  const days = random.pick([0.01, 0.3, 1.1, 3, 8, 33, 70]) ?? 1;
  world.time += days * dayMs;
  const host = random.pick(world.hosts);
  if (host !== undefined && random.chance(0.3))
    host.skew = (random.next() - 0.5) * (host.writeOnly ? 20 : 4000) * dayMs;
  note(world, `clock ${days} days on`);
}

async function rotate(world: World, store: ObjectStore): Promise<void> {
  note(world, "rotate");
  let repository = await openRepository(store, { signal });
  const fresh = await generateIdentity();
  world.identity = new Secret(`${world.identity.reveal()}\n${fresh.identity.reveal()}`);
  const now = clockOf(world);
  repository = await addRecipient(
    { store, repository, signal },
    fileRecipient(fresh.recipient, { now }),
  );
  const [oldest, ...others] = repository.recipients;
  if (oldest !== undefined && others.length > 1)
    repository = await removeRecipient({ store, repository, signal }, oldest.recipient);
  const { list } = repository;
  const { identity } = world;
  await Array.fromAsync(rotateEpochs({ store, repository, list, identity, signal }));
}

/** To the copy, through the store that is given. Copies marks as well, and never removes. */
async function sync(world: World, store: ObjectStore): Promise<void> {
  note(world, "sync");
  const repository = await openRepository(world.store, { signal });
  const { failures } = await syncRepository({
    from: world.store,
    to: store,
    repository,
    filter: {},
    parallel: 2,
    isDryRun: false,
    deletesExtraneous: false,
    by: "test",
    at: clockOf(world),
    onBytes: () => {},
    signal,
  });
  const [first] = failures;
  if (first !== undefined) throw new DbctlError("failed", first.what, { remedy: "Sync again" });
}

async function endAll(world: World, store: ObjectStore): Promise<void> {
  note(world, "new-epoch");
  await Array.fromAsync(endEpochs(store, { instance: undefined, now: clockOf(world), signal }));
}

async function loseState(world: World): Promise<void> {
  const host = world.random.pick(world.hosts);
  if (host === undefined) return;
  note(world, `lose-state ${host.name}`);
  await rm(host.stateDir, { recursive: true, force: true });
}

/** A machine that was copied: two hosts with one key. */
async function cloneHost(world: World): Promise<void> {
  const host = world.random.pick(world.hosts);
  if (host === undefined || world.hosts.length >= 5) return;
  note(world, `clone ${host.name}`);
  const copy = addHost(world, host.instance);
  await cp(host.stateDir, join(world.folder, copy.name), { recursive: true, force: true }).catch(
    () => {},
  );
}

async function changeRights(world: World): Promise<void> {
  const host = world.random.pick(world.hosts);
  if (host === undefined) return;
  host.writeOnly = !host.writeOnly;
  host.skew = 0;
  note(world, `rights ${host.name} may ${host.writeOnly ? "only write" : "read"}`);
}
