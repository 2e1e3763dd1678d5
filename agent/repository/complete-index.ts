import type { ObjectStore } from "../store/object-store.ts";
import { ChunkIndex, type PackSize } from "./chunk-index.ts";
import { isDamage } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { inParallel } from "./in-parallel.ts";
import { packPrefix } from "./object-key.ts";
import { readPackIndex } from "./pack.ts";

/** What was done to an index, so that it says what the store holds. */
export interface CompletedIndex {
  /** Packs that the store has not (with that size): their chunks are stored again. */
  dropped: number;
  /** Packs that the index did not know: their chunks are not stored again. */
  added: number;
  /** Packs whose own index cannot be read: they stay unknown. */
  unreadable: string[];
}

/** Packs whose indexes are read at once. */
const readers = 8;

/**
 * Makes the index of an epoch's chunks say what the store holds, from the packs' own indexes: a lost
 * one is whole again. `store-denied` when the host may not list or read.
 */
export async function completeIndex(
  path: string,
  { store, epoch, signal }: { store: ObjectStore; epoch: EpochKeys; signal: AbortSignal },
): Promise<CompletedIndex> {
  const prefix = packPrefix(epoch);
  const there = new Map<string, number>();
  for await (const { key, size } of store.list(prefix, { signal }))
    there.set(key.slice(prefix.length), size);
  using index = new ChunkIndex(path);
  const packs = index.packs();
  const lost = packs.filter(({ pack, size }) => there.get(pack) !== size);
  index.dropPacks(lost.map(({ pack }) => pack));
  for (const { pack } of packs) there.delete(pack);
  const unreadable: string[] = [];
  const unknown = there.entries().map(([pack, size]): PackSize => ({ pack, size }));
  await inParallel(unknown, readers, async (found) => {
    try {
      index.addPack(found, await readPackIndex({ store, epoch, signal }, found));
    } catch (error) {
      if (!isDamage(error)) throw error;
      unreadable.push(found.pack);
    }
  });
  return { dropped: lost.length, added: there.size - unreadable.length, unreadable };
}
