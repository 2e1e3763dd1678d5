import { objectLocked, objectMissing } from "../object-errors.ts";
import type { ObjectLock, ObjectLocks } from "../object-store.ts";
import { type GcsRequests, statusOf } from "./gcs-requests.ts";

interface Waiting {
  signal: AbortSignal;
}

/**
 * Whether objects of the bucket can be retained one by one, which is set when a bucket is made.
 * Where we may not ask, locks are not claimed.
 */
export async function hasRetention(requests: GcsRequests, { signal }: Waiting): Promise<boolean> {
  const query = { fields: "objectRetention" };
  const { bucketPath: path } = requests.at("");
  const request = { act: "look at", key: "", method: "GET", path, query, signal } as const;
  try {
    const found = await requests.ask<{ objectRetention?: { mode?: string } }>(request);
    return found.objectRetention?.mode === "Enabled";
  } catch (error) {
    if (statusOf(error) === 403) return false;
    throw error;
  }
}

/** Retention of single objects, and temporary holds, which end only when they are taken away. */
export function gcsLocks(requests: GcsRequests): ObjectLocks {
  const patch = async (act: string, key: string, { change, signal }: Change): Promise<void> => {
    const { path } = requests.at(key);
    const headers = { "content-type": "application/json" };
    const query = { overrideUnlockedRetention: "true" };
    const body = Buffer.from(JSON.stringify(change));
    const request = { act, key, method: "PATCH", path, query, headers, body, signal } as const;
    (await requests.send(request)).resume();
  };
  return {
    get: (key, { signal }) => lockOf(requests, key, { signal }),
    async retain(key, { mode, until }, { signal }) {
      const { retain: held } = await lockOf(requests, key, { signal });
      // The service itself lets one be shortened that is not locked.
      if (held !== undefined && held.until > until)
        throw objectLocked(requests.place.url, key, held.until);
      const retention = {
        mode: mode === "compliance" ? "Locked" : "Unlocked",
        retainUntilTime: until.toISOString(),
      };
      await patch("lock", key, { change: { retention }, signal });
    },
    async setLegalHold(key, hold, { signal }) {
      await patch("hold", key, { change: { temporaryHold: hold }, signal });
    },
  };
}

interface Change extends Waiting {
  change: object;
}

interface LockFacts {
  temporaryHold?: boolean;
  retention?: { mode: string; retainUntilTime: string };
}

/** The lock and the hold of an object. */
export async function lockOf(
  requests: GcsRequests,
  key: string,
  { signal }: Waiting,
): Promise<ObjectLock> {
  const query = { fields: "temporaryHold,retention" };
  const { path } = requests.at(key);
  const request = { act: "look at the lock of", key, method: "GET", path, query, signal } as const;
  try {
    const { temporaryHold = false, retention } = await requests.ask<LockFacts>(request);
    if (retention === undefined) return { legalHold: temporaryHold };
    const mode = retention.mode === "Locked" ? ("compliance" as const) : ("governance" as const);
    const until = new Date(retention.retainUntilTime);
    return { retain: { mode, until }, legalHold: temporaryHold };
  } catch (error) {
    throw statusOf(error) === 404 ? objectMissing(requests.place.url, key) : error;
  }
}
