import { DbctlError } from "../../core/errors.ts";
import { newRandomId } from "../repository/identifier.ts";
import { pruneKey } from "../repository/object-key.ts";
import type { PruneRecord } from "../repository/prune-record.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** By so much may the clocks of two pruners differ; nothing is removed that is younger than that. */
const toleranceMs = 24 * 3600 * 1000;
/** And from the store's: what two pruners have seen a day apart, they have seen a day apart. */
const storeToleranceMs = 3600 * 1000;

/** Refuses a clock that is before that of an earlier prune: one of the two is wrong. Pure. */
export function assertAfter(last: PruneRecord | undefined, now: Date): void {
  if (last === undefined || Date.parse(last.at) - +now <= toleranceMs) return;
  const what = `this machine says ${now.toISOString()}, and the last prune was at ${last.at}`;
  throw new DbctlError("failed", `Cannot prune: ${what}`, {
    remedy:
      "Set this machine's clock. If it is right and that prune's was wrong, " +
      `remove the object ${pruneKey(last.number)}, and what was seen is seen anew`,
  });
}

/** Refuses a clock that is not the store's, where the store tells. Puts an object and removes it. */
export async function assertStoreClock(
  store: ObjectStore,
  { now, signal }: { now: () => Date; signal: AbortSignal },
): Promise<void> {
  const key = `probe-${newRandomId()}`;
  await store.put(key, [Buffer.from("clock")], { signal });
  const created = (await store.head(key, { signal }))?.created;
  const here = now();
  await removeProbe(store, key, signal);
  if (created === undefined || Math.abs(+created - +here) <= storeToleranceMs) return;
  const what = `this machine says ${here.toISOString()}, and the store ${created.toISOString()}`;
  throw new DbctlError("failed", `Cannot prune: ${what}`, {
    remedy: "Set the clock of this machine, or of the store",
  });
}

/** Where every new object is locked, it stays for a later prune. */
async function removeProbe(store: ObjectStore, key: string, signal: AbortSignal): Promise<void> {
  try {
    await store.delete(key, { signal });
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-locked") throw error;
  }
}
