import { objectLocked, objectMissing } from "../object-errors.ts";
import type { ObjectLock, ObjectLocks } from "../object-store.ts";
import { type AzureRequests, statusOf } from "./azure-requests.ts";

interface Waiting {
  signal: AbortSignal;
}

/**
 * Whether the container was made for immutable versions; only there has every blob a lock and a hold
 * of its own. Where we may not ask, locks are not claimed.
 */
export async function hasImmutability(
  requests: AzureRequests,
  { signal }: Waiting,
): Promise<boolean> {
  const asked = { act: "look at", key: "", signal };
  try {
    const found = await requests.ask(asked, (container, options) =>
      container.getProperties(options),
    );
    return found.isImmutableStorageWithVersioningEnabled === true;
  } catch (error) {
    if (statusOf(error) === 403) return false;
    throw error;
  }
}

/** Immutability policies and legal holds of single blobs. */
export function azureLocks(requests: AzureRequests): ObjectLocks {
  return {
    get: (key, { signal }) => lockOf(requests, key, { signal }),
    async retain(key, { mode, until }, { signal }) {
      const { retain: held } = await lockOf(requests, key, { signal });
      // The service itself lets a governance lock be shortened.
      if (held !== undefined && held.until > until)
        throw objectLocked(requests.place.url, key, held.until);
      // Times have whole seconds there, and one that is cut off would be too early.
      const expiriesOn = new Date(Math.ceil(until.getTime() / 1000) * 1000);
      const policyMode = mode === "compliance" ? ("Locked" as const) : ("Unlocked" as const);
      const { container, name } = requests.at(key);
      await requests.ask({ act: "lock", key, signal }, (_, options) =>
        container.getBlobClient(name).setImmutabilityPolicy({ expiriesOn, policyMode }, options),
      );
    },
    async setLegalHold(key, hold, { signal }) {
      const { container, name } = requests.at(key);
      await requests.ask({ act: "hold", key, signal }, (_, options) =>
        container.getBlobClient(name).setLegalHold(hold, options),
      );
    },
  };
}

/** The lock and the hold of a blob. */
export async function lockOf(
  requests: AzureRequests,
  key: string,
  { signal }: Waiting,
): Promise<ObjectLock> {
  const { container, name } = requests.at(key);
  try {
    const found = await requests.ask({ act: "look at the lock of", key, signal }, (_, options) =>
      container.getBlobClient(name).getProperties(options),
    );
    const { immutabilityPolicyExpiresOn: until, immutabilityPolicyMode, legalHold = false } = found;
    // Told in lower case here, and with a capital where it is set.
    const isLocked = immutabilityPolicyMode?.toLowerCase() === "locked";
    const mode = isLocked ? ("compliance" as const) : ("governance" as const);
    return until === undefined ? { legalHold } : { retain: { mode, until }, legalHold };
  } catch (error) {
    throw statusOf(error) === 404 ? objectMissing(requests.place.url, key) : error;
  }
}
