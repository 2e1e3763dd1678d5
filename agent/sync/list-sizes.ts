import type { ObjectStore } from "../store/object-store.ts";

/** Keys below the prefix with their sizes in bytes, in the order of keys. */
export async function listSizes(
  store: ObjectStore,
  prefix: string,
  { signal }: { signal: AbortSignal },
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of store.list(prefix, { signal })) sizes.set(key, size);
  return sizes;
}
