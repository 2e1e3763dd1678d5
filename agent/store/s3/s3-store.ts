import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { objectExists, objectLocked, objectMissing } from "../object-errors.ts";
import type { ByteRange, ObjectInfo, ObjectStore } from "../object-store.ts";
import { type Body, readBody } from "../remote/read-body.ts";
import type { CreateOptions, Page, PageOptions, RemoteClient } from "../remote/remote-client.ts";
import { createRemoteStore, type RemoteStoreOptions } from "../remote/remote-store.ts";
import { realRetryParts, withRetries } from "../remote/with-retries.ts";
import { nameOf, statusOf } from "./s3-failure.ts";
import { hasObjectLock, lockOf, s3Locks } from "./s3-locks.ts";
import { checkedBody, S3Requests } from "./s3-requests.ts";
import { beginUpload, storageClassOf } from "./s3-upload.ts";
import { parseS3Url, storageClasses } from "./s3-url.ts";
import { S3Versions } from "./s3-versions.ts";

interface Waiting {
  signal: AbortSignal;
}

interface OpenOptions extends Omit<RemoteStoreOptions, "retries"> {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

/** Opens a bucket; asks it whether it can lock objects. Credentials come from where AWS's do. */
export async function openS3Store(
  url: string,
  { env, signal, ...options }: OpenOptions,
): Promise<ObjectStore> {
  const place = parseS3Url(url, env);
  const requests = new S3Requests(place, env);
  const hasLocks = await withRetries((turn) => hasObjectLock(requests, { signal: turn.signal }), {
    what: `open ${place.url}`,
    policy: place.retries,
    parts: options.parts ?? realRetryParts,
    signal,
  });
  return createRemoteStore(s3Client(requests, hasLocks), { ...options, retries: place.retries });
}

/** A body of up to this many bytes is put in one request, which the store takes only once. */
const createOnlyBytes = 24 << 20;

function s3Client(requests: S3Requests, hasLocks: boolean): RemoteClient {
  const { url } = requests.place;
  const bucket: Bucket = { requests, versions: new S3Versions(requests), hasLocks };
  return {
    url,
    can: { createOnlyBytes, objectLock: hasLocks, legalHold: hasLocks, storageClasses },
    ...(hasLocks ? { locks: s3Locks(requests, bucket.versions) } : {}),
    create: (key, bytes, options) => create(bucket, key, { bytes, ...options }),
    beginUpload: (key, options) => beginUpload(bucket, key, options),
    read: (key, options) => read(bucket, key, options),
    head: (key, options) => head(bucket, key, options),
    listPage: (prefix, options) => listPage(bucket, prefix, options),
    remove: (key, options) => remove(bucket, key, options),
    async keepsVersions({ signal }) {
      const kept = await bucket.versions.areKept({ signal });
      return kept === "unknown" ? undefined : kept;
    },
    overwrittenPage: (prefix, options) => bucket.versions.overwrittenPage(prefix, options),
  };
}

interface Bucket {
  requests: S3Requests;
  versions: S3Versions;
  hasLocks: boolean;
}

async function create(
  { requests, versions }: Bucket,
  key: string,
  { bytes, bulk, pace, signal }: CreateOptions & { bytes: Buffer },
): Promise<void> {
  const { storageClass, conditionalPut, url } = requests.place;
  const input = {
    ...requests.at(key),
    ...checkedBody(bytes, pace),
    ...(bulk ? storageClassOf(storageClass) : {}),
    ...(conditionalPut ? { IfNoneMatch: "*" } : {}),
  };
  try {
    const { VersionId } = await requests.ask({ act: "create", key, signal }, (client, options) =>
      client.send(new PutObjectCommand(input), options),
    );
    await versions.assertFirst(key, VersionId, { signal });
  } catch (error) {
    if (statusOf(error) === 412) throw objectExists(url, key);
    throw error;
  }
}

async function* read(
  bucket: Bucket,
  key: string,
  { range, signal }: { range?: ByteRange; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  const { requests } = bucket;
  const body = await openBody(bucket, key, { range, signal });
  const failure = (error: unknown) => requests.failure(error, { act: "read", key });
  yield* readBody(body, { failure, signal });
}

async function openBody(
  { requests, versions }: Bucket,
  key: string,
  { range, signal }: { range: ByteRange | undefined; signal: AbortSignal },
): Promise<Body> {
  const version = await versionOf({ requests, versions }, key, { signal });
  const input = { ...requests.at(key), ...version, ...rangeOf(range) };
  try {
    const { Body } = await requests.ask({ act: "read", key, signal }, (client, options) =>
      client.send(new GetObjectCommand(input), options),
    );
    return Body as Body;
  } catch (error) {
    const name = nameOf(error);
    if (name === "NoSuchVersion") versions.forget(key);
    if (name === "NoSuchKey" || name === "NoSuchVersion")
      throw objectMissing(requests.place.url, key);
    throw error;
  }
}

/** The first version, where the bucket keeps them and we may look. */
async function versionOf(
  { requests, versions }: Pick<Bucket, "requests" | "versions">,
  key: string,
  { signal }: Waiting,
): Promise<{ VersionId?: string }> {
  if ((await versions.areKept({ signal })) !== true) return {};
  const VersionId = await versions.firstId(key, { signal });
  if (VersionId === undefined) throw objectMissing(requests.place.url, key);
  return { VersionId };
}

function rangeOf(range: ByteRange | undefined) {
  if (range === undefined) return {};
  return { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
}

async function head(
  { requests, versions }: Bucket,
  key: string,
  { signal }: Waiting,
): Promise<ObjectInfo | undefined> {
  if ((await versions.areKept({ signal })) === true) {
    const first = await versions.first(key, { signal });
    return first === undefined ? undefined : infoOf(key, first.size, first.created);
  }
  try {
    const { ContentLength = 0, LastModified } = await requests.ask(
      { act: "look at", key, signal },
      (client, options) => client.send(new HeadObjectCommand(requests.at(key)), options),
    );
    return infoOf(key, ContentLength, LastModified);
  } catch (error) {
    // To HEAD a missing bucket gets the same answer; to list it does not.
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function infoOf(key: string, size: number, created: Date | undefined): ObjectInfo {
  return created === undefined ? { key, size } : { key, size, created };
}

async function listPage(
  { requests, versions }: Bucket,
  prefix: string,
  { folders, token, signal }: PageOptions,
): Promise<Page> {
  const from = token === undefined ? {} : { token };
  if ((await versions.areKept({ signal })) === true)
    return await versions.listPage(prefix, { folders, ...from, signal });
  const { Bucket, Key } = requests.at(prefix);
  const input = {
    Bucket,
    Prefix: Key,
    ...(folders ? { Delimiter: "/" } : {}),
    ...(token === undefined ? {} : { ContinuationToken: token }),
  };
  const page = await requests.ask({ act: "list", key: prefix, signal }, (client, options) =>
    client.send(new ListObjectsV2Command(input), options),
  );
  const root = requests.place.prefix.length;
  return {
    objects: (page.Contents ?? []).map(({ Key: key = "", Size = 0, LastModified }) =>
      infoOf(key.slice(root), Size, LastModified),
    ),
    folders: (page.CommonPrefixes ?? []).map(({ Prefix = "" }) =>
      Prefix.slice(root + prefix.length).replace(/\/$/, ""),
    ),
    ...(page.NextContinuationToken === undefined ? {} : { next: page.NextContinuationToken }),
  };
}

/** Where it is not known whether the bucket keeps versions, a removal must not hide them instead. */
async function remove(bucket: Bucket, key: string, { signal }: Waiting): Promise<void> {
  const { requests, versions } = bucket;
  if ((await versions.areKept({ signal })) !== false)
    return await versions.removeAll(key, {
      signal,
      refused: (id, error) => whyRefused(bucket, key, { id, error, signal }),
    });
  await requests.ask({ act: "remove", key, signal }, (client, options) =>
    client.send(new DeleteObjectCommand(requests.at(key)), options),
  );
}

/** A lock is refused with the same words as a right that is not there. */
async function whyRefused(
  { requests, hasLocks }: Bucket,
  key: string,
  { id, error, signal }: { id: string; error: unknown; signal: AbortSignal },
): Promise<unknown> {
  const status = statusOf(error) ?? 0;
  if (!hasLocks || status < 400 || status >= 500) return error;
  const version = { ...requests.at(key), VersionId: id };
  const { legalHold, retain } = await lockOf(requests, key, { version, signal }).catch(() => ({
    legalHold: false,
    retain: undefined,
  }));
  if (legalHold) return objectLocked(requests.place.url, key, undefined);
  const isHeld = retain !== undefined && retain.until > new Date();
  return isHeld ? objectLocked(requests.place.url, key, retain.until) : error;
}
