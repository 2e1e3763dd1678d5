import type { ObjectStore } from "../store/object-store.ts";
import { epochKey, resealedPrefix } from "./object-key.ts";

/** The object that holds an epoch's key, and of which list of recipients. */
export interface EpochObject {
  key: string;
  /** Number of the list that it was sealed to; undefined for the host's own, which does not tell. */
  list: number | undefined;
}

/**
 * Where the key of an epoch is now: the latest sealing, or the host's own. Undefined when there is
 * none. `store-denied` when the host may not look.
 */
export async function findEpochFile(
  store: ObjectStore,
  epoch: { instance: string; epoch: string },
  { signal }: { signal: AbortSignal },
): Promise<EpochObject | undefined> {
  return (await listEpochFiles(store, epoch, { signal })).at(-1);
}

/** All sealings of an epoch's key: the host's own first, then by list. */
export async function listEpochFiles(
  store: ObjectStore,
  epoch: { instance: string; epoch: string },
  { signal }: { signal: AbortSignal },
): Promise<EpochObject[]> {
  const prefix = resealedPrefix(epoch);
  const found: EpochObject[] = [];
  const own = epochKey(epoch);
  if ((await store.head(own, { signal })) !== undefined) found.push({ key: own, list: undefined });
  for await (const { key } of store.list(prefix, { signal })) {
    const [, number] = /^(\d{8})\.age$/.exec(key.slice(prefix.length)) ?? [];
    if (number !== undefined) found.push({ key, list: Number(number) });
  }
  return found;
}
