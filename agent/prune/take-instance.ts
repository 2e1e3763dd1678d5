import { DbctlError } from "../../core/errors.ts";
import { damaged } from "../repository/damage.ts";
import { inParallel } from "../repository/in-parallel.ts";
import { type Intent, readIntent } from "../repository/intent.ts";
import { packKey } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import type { BackupPlace } from "../repository/read-marks.ts";
import { readHeader } from "../repository/read-header.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import type { InstanceInventory } from "./inventory.ts";
import { mostTroubles, type Troubles } from "./troubles.ts";

interface Options {
  store: ObjectStore;
  repository: string;
  troubles: Troubles;
  signal: AbortSignal;
}

/** Headers and intents that are read at once. */
const readers = 16;

/**
 * What is in one server's folder; undefined when no part of it is ours. Maps and packs are listed
 * before intents, intents before manifests: a map or pack of a backup that runs or has just been
 * committed is never seen without the intent or the manifest that keeps it.
 */
export async function takeInstance(
  instance: string,
  options: Options,
): Promise<InstanceInventory | undefined> {
  const { store, signal } = options;
  const taken: InstanceInventory = {
    instance,
    manifests: new Map(),
    removed: new Map(),
    removals: new Map(),
    marks: new Map(),
    otherMarks: [],
    intents: new Map(),
    maps: [],
    packs: [],
    epochs: new Map(),
    live: new Map(),
  };
  const strangers: string[] = [];
  let ours = false;
  for await (const info of store.list(`${instance}/`, { signal })) {
    const isOurs = sortObject(taken, info);
    if (!isOurs && strangers.length < mostTroubles) strangers.push(info.key);
    ours ||= isOurs;
  }
  if (!ours) return undefined;
  for (const key of strangers) options.troubles.addUnknown(key);
  await takeIntents(taken, options);
  await takeManifests(taken, options);
  return taken;
}

/** False for what is none of ours. */
function sortObject(taken: InstanceInventory, info: ObjectInfo): boolean {
  const parsed = parseKey(info.key);
  if (parsed?.kind === "map") taken.maps.push({ ...info, id: parsed.id });
  else if (parsed?.kind === "epoch") taken.epochs.set(parsed.epoch, info.created);
  else if (parsed?.kind === "pack") {
    taken.packs.push({ ...info, epoch: parsed.epoch });
    if (!taken.epochs.has(parsed.epoch)) taken.epochs.set(parsed.epoch, undefined);
  }
  return parsed !== undefined;
}

async function takeIntents(
  taken: InstanceInventory,
  { store, repository, troubles, signal }: Options,
): Promise<void> {
  const { instance, intents, epochs } = taken;
  const infos = await Array.fromAsync(store.list(`${instance}/intents/`, { signal }));
  await inParallel(infos, readers, async (info) => {
    const parsed = parseKey(info.key);
    if (parsed?.kind !== "intent") return;
    const place = { repository, instance, id: parsed.id };
    const there = await troubles.collect(() => readUnlessEnded(store, place, signal));
    if (there === undefined) return;
    const { epoch } = there;
    intents.set(parsed.id, { ...place, info, epoch });
    if (!epochs.has(epoch)) epochs.set(epoch, undefined);
  });
}

/** Its backup may have ended meanwhile: then there is nothing to respect any more. */
async function readUnlessEnded(
  store: ObjectStore,
  place: BackupPlace,
  signal: AbortSignal,
): Promise<Intent | undefined> {
  try {
    return await readIntent(store, place, { signal });
  } catch (error) {
    if (error instanceof DbctlError && error.code === "object-missing") return undefined;
    throw error;
  }
}

async function takeManifests(
  taken: InstanceInventory,
  { store, repository, troubles, signal }: Options,
): Promise<void> {
  const { instance, manifests, epochs, live } = taken;
  const there = new Set(taken.packs.map(({ key }) => key));
  const infos = await Array.fromAsync(store.list(`${instance}/backups/`, { signal }));
  await inParallel(infos, readers, async (info) => {
    const parsed = parseKey(info.key);
    if (parsed?.kind !== "manifest") return;
    const read = await troubles.collect(() => readHeader(store, info.key, { signal }));
    if (read === undefined) return;
    const { header, hash } = read;
    if (header.repository !== repository) {
      const what = `it belongs to repository ${header.repository}`;
      return troubles.add(damaged(info.key, what));
    }
    const { epoch, signer, sequence, state, source } = header;
    const about = { repository, instance, id: parsed.id, info, epoch, signer, sequence, hash };
    const previous = header.previous?.id;
    manifests.set(parsed.id, { ...about, previous, state, source });
    if (!epochs.has(epoch)) epochs.set(epoch, undefined);
    for (const { pack, live: bytes } of header.packs) {
      const key = packKey(header, pack);
      // Only what is there can be removed; a host may name millions that are not.
      if (there.has(key)) live.set(key, Math.max(live.get(key) ?? 0, bytes));
    }
  });
}
