import { inParallel } from "../repository/in-parallel.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import {
  epochKey,
  manifestKey,
  mapKey,
  packKey,
  resealedPrefix,
} from "../repository/object-key.ts";
import { readAllMarks } from "../repository/read-all-marks.ts";
import { readHeader } from "../repository/read-header.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { assertThere, mark, type Marked, type MarkOptions } from "./mark-backup.ts";

/** Objects that are held at once. */
const holders = 16;

interface Held extends Marked {
  /** Objects under a legal hold of the store; none where it has none. */
  objects: number;
}

/**
 * Holds a backup: neither retention nor anybody deletes it, and no prune removes it, until it is
 * released. Where the store has legal holds, all that the backup needs gets one. Done again, it
 * finishes what was cut short.
 */
export async function holdBackup(header: BackupHeader, options: MarkOptions): Promise<Held> {
  const { store, reason } = options;
  const marked = await mark(header, options, (state) => {
    assertThere(header, state, "hold");
    return state.held === undefined ? { mark: "hold", reason } : undefined;
  });
  const objects = await holdObjects(header, { ...options, store });
  return { ...marked, objects };
}

/** Ends a hold. What other held backups need stays under the store's hold. */
export async function releaseBackup(header: BackupHeader, options: MarkOptions): Promise<Held> {
  const { store, reason, signal } = options;
  const marked = await mark(header, options, (state) => {
    assertThere(header, state, "release");
    return state.held === undefined ? undefined : { mark: "release", reason };
  });
  if (!store.can.legalHold || store.locks === undefined) return { ...marked, objects: 0 };
  const { locks } = store;
  const kept = await objectsOfHeld(header, options);
  const free = (await objectsOf(header, options)).filter((key) => !kept.has(key));
  await inParallel(free, holders, (key) => locks.setLegalHold(key, false, { signal }));
  // A backup that was held meanwhile may need what has just been freed.
  const now = await objectsOfHeld(header, options);
  const again = free.filter((key) => now.has(key));
  await inParallel(again, holders, (key) => locks.setLegalHold(key, true, { signal }));
  return { ...marked, objects: free.length - again.length };
}

interface Options {
  store: ObjectStore;
  signal: AbortSignal;
}

async function holdObjects(header: BackupHeader, options: Options): Promise<number> {
  const { store, signal } = options;
  const { locks } = store;
  if (!store.can.legalHold || locks === undefined) return 0;
  const keys = await objectsOf(header, options);
  await inParallel(keys, holders, (key) => locks.setLegalHold(key, true, { signal }));
  return keys.length;
}

/** All that a restore of the backup reads, and the sealings of its epoch's key. */
async function objectsOf(header: BackupHeader, { store, signal }: Options): Promise<string[]> {
  const resealed = await Array.fromAsync(store.list(resealedPrefix(header), { signal }));
  const own = epochKey(header);
  const hasOwn = (await store.head(own, { signal })) !== undefined;
  return [
    manifestKey(header),
    ...header.maps.keys().map((n) => mapKey(header, n)),
    ...header.packs.map(({ pack }) => packKey(header, pack)),
    ...(hasOwn ? [own] : []),
    ...resealed.map(({ key }) => key),
  ];
}

/** What the held backups of the same server need. */
async function objectsOfHeld(of: BackupHeader, options: Options): Promise<Set<string>> {
  const { store, signal } = options;
  const needed = new Set<string>();
  for (const [name, { held }] of await readAllMarks(store, { ...options, ...of })) {
    const [instance = "", id = ""] = name.split("/");
    if (held === undefined || instance !== of.instance) continue;
    const { header } = await readHeader(store, manifestKey({ instance, id }), { signal });
    for (const key of await objectsOf(header, options)) needed.add(key);
  }
  return needed;
}
