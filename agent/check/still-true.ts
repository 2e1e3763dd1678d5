import { removedKey } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Finding } from "./finding.ts";

/**
 * Backups and prunes go on while a check looks: what was missing may have come since, or its backup
 * may have been removed. Looks once more before anybody is told.
 */
export async function stillTrue(
  { kind, severity, object, backups }: Finding,
  { store, signal }: { store: ObjectStore; signal: AbortSignal },
): Promise<boolean> {
  if (severity === "note" || kind !== "missing") return true;
  if ((await store.head(object, { signal })) !== undefined) return false;
  const parsed = parseKey(object);
  const own = parsed?.kind === "manifest" || parsed?.kind === "map" ? [parsed] : [];
  const instance = object.split("/")[0] ?? "";
  const needed = [...own, ...backups.map(({ id }) => ({ instance, id }))];
  for (const backup of needed)
    if ((await store.head(removedKey(backup), { signal })) === undefined) return true;
  return needed.length === 0;
}
