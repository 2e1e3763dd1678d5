import {
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
} from "@aws-sdk/client-s3";
import { objectLocked, objectMissing } from "../object-errors.ts";
import type { ObjectLock, ObjectLocks, RetainUntil } from "../object-store.ts";
import { nameOf, statusOf } from "./s3-failure.ts";
import type { S3Requests } from "./s3-requests.ts";
import { isDenied, type S3Versions } from "./s3-versions.ts";

interface Waiting {
  signal: AbortSignal;
}

/** A version of an object, as requests name it. */
interface Version {
  Bucket: string;
  Key: string;
  VersionId: string;
}

/**
 * Whether the bucket can lock objects. It has to be made with object lock; servers that do not know
 * the question have none. Where we may not ask, locks are not claimed.
 */
export async function hasObjectLock(requests: S3Requests, { signal }: Waiting): Promise<boolean> {
  const { bucket: Bucket } = requests.place;
  const asked = { act: "look at the object lock of", key: "", signal };
  try {
    const { ObjectLockConfiguration: lock } = await requests.ask(asked, (client, options) =>
      client.send(new GetObjectLockConfigurationCommand({ Bucket }), options),
    );
    return lock?.ObjectLockEnabled === "Enabled";
  } catch (error) {
    const status = statusOf(error);
    const isNone = nameOf(error) !== "NoSuchBucket" && [400, 404, 405, 501].includes(status ?? 0);
    if (isNone || isDenied(error)) return false;
    throw error;
  }
}

/** Locks and holds of the first version, which is the one that is read. */
export function s3Locks(requests: S3Requests, versions: S3Versions): ObjectLocks {
  const versionOf = async (key: string, signal: AbortSignal): Promise<Version> => {
    const VersionId = await versions.firstId(key, { signal });
    if (VersionId === undefined) throw objectMissing(requests.place.url, key);
    return { ...requests.at(key), VersionId };
  };
  return {
    async get(key, { signal }) {
      return await lockOf(requests, key, { version: await versionOf(key, signal), signal });
    },
    async retain(key, until, { signal }) {
      const version = await versionOf(key, signal);
      await retain(requests, key, { version, until, signal });
    },
    async setLegalHold(key, hold, { signal }) {
      const Status = hold ? ("ON" as const) : ("OFF" as const);
      const input = { ...(await versionOf(key, signal)), LegalHold: { Status } };
      await requests.ask({ act: "hold", key, signal }, (client, options) =>
        client.send(new PutObjectLegalHoldCommand(input), options),
      );
    },
  };
}

interface RetainRequest extends Waiting {
  version: Version;
  until: RetainUntil;
}

async function retain(
  requests: S3Requests,
  key: string,
  { version, until: { mode, until }, signal }: RetainRequest,
): Promise<void> {
  const Mode = mode === "compliance" ? ("COMPLIANCE" as const) : ("GOVERNANCE" as const);
  const input = { ...version, Retention: { Mode, RetainUntilDate: until } };
  try {
    await requests.ask({ act: "lock", key, signal }, (client, options) =>
      client.send(new PutObjectRetentionCommand(input), options),
    );
  } catch (error) {
    if (!isDenied(error)) throw error;
    const { retain: held } = await lockOf(requests, key, { version, signal });
    // Only longer, and only from governance to compliance.
    if (held !== undefined && (held.until > until || held.mode !== mode))
      throw objectLocked(requests.place.url, key, held.until);
    throw error;
  }
}

/** The lock and the hold of one version. */
export async function lockOf(
  requests: S3Requests,
  key: string,
  { version, signal }: { version: Version } & Waiting,
): Promise<ObjectLock> {
  const asked = { act: "look at the lock of", key, signal };
  const [retention, hold] = await Promise.all([
    orNone(
      requests.ask(asked, (client, options) =>
        client.send(new GetObjectRetentionCommand(version), options),
      ),
    ),
    orNone(
      requests.ask(asked, (client, options) =>
        client.send(new GetObjectLegalHoldCommand(version), options),
      ),
    ),
  ]);
  const { Mode, RetainUntilDate: until } = retention?.Retention ?? {};
  const mode = Mode === "COMPLIANCE" ? ("compliance" as const) : ("governance" as const);
  const legalHold = hold?.LegalHold?.Status === "ON";
  return until === undefined ? { legalHold } : { retain: { mode, until }, legalHold };
}

/** A version without a lock is answered with an error, whose name differs from server to server. */
async function orNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const noLock = ["NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"];
    if (noLock.includes(nameOf(error)) || statusOf(error) === 400) return undefined;
    throw error;
  }
}
