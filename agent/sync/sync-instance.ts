import { DbctlError } from "../../core/errors.ts";
import type { InstanceObjects } from "../check/instance-objects.ts";
import { readHeaders, type ReadHeader } from "../check/read-headers.ts";
import { damageOf, isDamage } from "../repository/damage.ts";
import { inParallel } from "../repository/in-parallel.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { manifestKey, mapKey, packKey, removedKey } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { announceCopies } from "./announce-copies.ts";
import { isWanted, type MetNames, type SyncFilter } from "./choose-backups.ts";
import type { Copier, CopyItem } from "./copier.ts";
import { listSizes } from "./list-sizes.ts";
import { refuseOtherManifest } from "./same-object.ts";
import { syncEpoch } from "./sync-epochs.ts";
import { syncMarks } from "./sync-marks.ts";
import type { SyncedBackup, SyncFailure, SyncResult } from "./sync-result.ts";

export interface InstanceSync {
  from: ObjectStore;
  to: ObjectStore;
  repository: { id: string };
  copier: Copier;
  filter: SyncFilter;
  met: MetNames;
  /** Backups at work at once. */
  parallel: number;
  isDryRun: boolean;
  at: Date;
  signal: AbortSignal;
}

type Outcome = Pick<SyncResult, "backups" | "failures" | "ownMarks">;

/** Copies the backups of one instance, oldest first. `objects`: what the source has. */
export async function syncInstance(sync: InstanceSync, objects: InstanceObjects): Promise<Outcome> {
  const { from, to, repository, filter, met, parallel, isDryRun, signal } = sync;
  const read = await readHeaders(from, objects, { repository: repository.id, signal });
  const failures: SyncFailure[] = read.findings.map(({ object, what }) => ({ object, what }));
  const broken = new Set(failures.map(({ object }) => object));
  for (const { header } of read.headers) met.meetBackup(header);
  const wanted = read.headers.filter(
    ({ header }) => isWanted(filter, header) && !broken.has(manifestKey(header)),
  );
  const coming = wanted.map(({ header }) => header);
  await using _announced = await announceCopies(coming, sync);
  const there = await listSizes(to, `${objects.instance}/`, { signal });
  const ownMarks: string[] = [];
  const epochs = oncePerEpoch((header) => syncEpoch(header, sync));
  let before: Promise<unknown> = Promise.resolve();
  const backups = await inParallel(wanted, parallel, async (one) => {
    // A later backup never stands there without those that it follows.
    const [turn, done] = [before, Promise.withResolvers<void>()];
    before = done.promise;
    try {
      return await syncBackup(sync, one, { objects, there, epochs, ownMarks, turn });
    } finally {
      done.resolve();
    }
  });
  for (const { why, ...backup } of backups)
    if (why !== undefined) failures.push({ object: manifestKey(backup), what: why });
  const done = new Set(backups.filter(({ state }) => isThere.has(state)).map(({ id }) => id));
  const headers = coming.filter(({ id }) => done.has(id));
  if (!isDryRun) failures.push(...(await confirmThere(sync, headers)));
  return { backups, failures, ownMarks };
}

const isThere = new Set<SyncedBackup["state"]>(["copied", "present"]);

function oncePerEpoch(copy: (header: BackupHeader) => Promise<void>) {
  const begun = new Map<string, Promise<void>>();
  return async (header: BackupHeader) => {
    const known = begun.get(header.epoch) ?? copy(header);
    begun.set(header.epoch, known);
    await known;
  };
}

interface Surroundings {
  objects: InstanceObjects;
  there: ReadonlyMap<string, number>;
  /** Copies the key of a backup's epoch, once. */
  epochs: (header: BackupHeader) => Promise<void>;
  ownMarks: string[];
  /** Resolves when the manifest of the backup before is there, or will not come. */
  turn: Promise<unknown>;
}

/** A damage or a difference fails this one backup; any other error is thrown. */
async function syncBackup(
  sync: InstanceSync,
  one: ReadHeader,
  around: Surroundings,
): Promise<SyncedBackup> {
  const { id, instance, source } = one.header;
  const name = { instance, id, database: `${source.host}/${source.database}` };
  const removed = removedKey(one.header);
  const isGone = async () => (await sync.from.head(removed, sync)) !== undefined;
  if (await isGone()) return { ...name, state: "gone" };
  // What a copy has pruned is not brought back: its next prune would remove it again.
  if ((await sync.to.head(removed, sync)) !== undefined) return { ...name, state: "removed" };
  try {
    return { ...name, state: await copyBackup(sync, one, around) };
  } catch (error) {
    if (!isDamage(error)) throw error;
    if (await isGone()) return { ...name, state: "gone" };
    return { ...name, state: "failed", why: damageOf("", error) };
  }
}

async function copyBackup(
  sync: InstanceSync,
  { header, hash, info }: ReadHeader,
  { objects, there, epochs, ownMarks, turn }: Surroundings,
): Promise<"copied" | "present"> {
  const { copier } = sync;
  await epochs(header);
  const items = [...itemsOf(header)];
  refuseDamaged(items, objects);
  const copies = items.map((item) => copier.copy(item, there.get(item.key)));
  // All of them are waited for, so that none goes on after the first one has failed.
  await Promise.allSettled(copies);
  await Promise.all(copies);
  if ((await syncMarks(header, sync)) === "own") ownMarks.push(`${header.instance}/${header.id}`);
  await turn;
  const { key, size } = info;
  await copier.copy({ key, size }, there.get(key));
  if (!there.has(key)) return "copied";
  await refuseOtherManifest(key, hash, sync);
  return "present";
}

/** The sizes of all that the backups need, as the destination lists them when all is done. */
async function confirmThere(
  { to, signal }: InstanceSync,
  headers: readonly BackupHeader[],
): Promise<SyncFailure[]> {
  const [first] = headers;
  if (first === undefined) return [];
  const there = await listSizes(to, `${first.instance}/`, { signal });
  return headers
    .flatMap((header) => [...itemsOf(header)])
    .filter(({ key, size }) => there.get(key) !== size)
    .map(({ key, size }) => ({
      object: key,
      what: `the destination does not list its ${size} bytes`,
    }));
}

/** All that the manifest needs, by its signed header. */
function* itemsOf(header: BackupHeader): Generator<CopyItem> {
  for (const { pack, size } of header.packs) yield { key: packKey(header, pack), size, bulk: true };
  for (const [map, { size, sha256 }] of header.maps.entries())
    yield { key: mapKey(header, map), size, sha256 };
}

/** What the source has lost cannot be copied, even when the destination has it: it is said. */
function refuseDamaged(items: readonly CopyItem[], objects: InstanceObjects): void {
  for (const { key, size } of items) {
    const [, , epoch = "", pack = ""] = key.split("/");
    const found = objects.maps.get(key)?.size ?? objects.packs.get(epoch)?.get(pack);
    if (found === size) continue;
    const what = found === undefined ? "it is not there" : `it has ${found} bytes, not ${size}`;
    throw new DbctlError("repository-damaged", `Cannot read ${key}: ${what}`, {
      remedy: "Heal the source from a copy: dbctl repo check --heal-from",
    });
  }
}
