import { DbctlError } from "../../core/errors.ts";
import { endedKey } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { type EpochName, listEpochs } from "./list-epochs.ts";

/**
 * Ends every epoch there is, of one instance or of all: a host that may read there begins a new one
 * with its next backup. A host that may only create cannot see it. An instance that has none is
 * refused: its data keys would be thought to be ended.
 */
export async function* endEpochs(
  store: ObjectStore,
  { instance, now, signal }: { instance: string | undefined; now: Date; signal: AbortSignal },
): AsyncGenerator<EpochName, void> {
  let isKnown = false;
  for await (const epoch of listEpochs(store, { signal })) {
    if (instance !== undefined && epoch.instance !== instance) continue;
    isKnown = true;
    const json = Buffer.from(`${JSON.stringify({ format: 1, ...epoch, at: now.toISOString() })}\n`);
    try {
      await store.put(endedKey(epoch), [json], { signal });
      yield epoch;
    } catch (error) {
      if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
    }
  }
  if (instance !== undefined && !isKnown)
    throw new DbctlError(
      "object-missing",
      `Cannot end the epochs of server ${instance}: it has none`,
      {
        remedy: "See the servers with dbctl repo keys check, or dbctl backups ls --json",
      },
    );
}
