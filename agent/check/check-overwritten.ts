import type { ObjectStore } from "../store/object-store.ts";
import { type Finding, noteAt } from "./finding.ts";

/**
 * Objects on which something was put after they had been created, where the store keeps versions.
 * No backup is hurt, because the first version is what is read; but somebody has tried.
 */
export async function checkOverwritten(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): Promise<Finding[]> {
  if (store.overwritten === undefined) return [];
  return await Array.fromAsync(store.overwritten("", { signal }), ({ key, later }) =>
    noteAt(key, ["foreign", `later versions on top of it: ${later}; the first one is read`]),
  );
}
