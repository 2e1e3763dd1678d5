import { DbctlError } from "../../../core/errors.ts";
import { objectLocked, objectMissing } from "../object-errors.ts";
import type { ByteRange, ObjectInfo, ObjectLock, ObjectStore } from "../object-store.ts";
import { readBody } from "../remote/read-body.ts";
import type { Page, PageOptions, RemoteClient } from "../remote/remote-client.ts";
import { createRemoteStore, type RemoteStoreOptions } from "../remote/remote-store.ts";
import { realRetryParts, withRetries } from "../remote/with-retries.ts";
import { gcsLocks, hasRetention, lockOf } from "./gcs-locks.ts";
import { GcsRequests, statusOf } from "./gcs-requests.ts";
import { beginUpload, create } from "./gcs-upload.ts";
import { parseGcsUrl, storageClasses } from "./gcs-url.ts";

interface Waiting {
  signal: AbortSignal;
}

interface OpenOptions extends Omit<RemoteStoreOptions, "retries"> {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

/** Opens a bucket of Google Cloud Storage; asks it whether its objects can be retained. */
export async function openGcsStore(
  url: string,
  { env, signal, ...options }: OpenOptions,
): Promise<ObjectStore> {
  const place = parseGcsUrl(url);
  const requests = new GcsRequests(place, env);
  const objectLock = await withRetries((turn) => hasRetention(requests, { signal: turn.signal }), {
    what: `open ${place.url}`,
    policy: place.retries,
    parts: options.parts ?? realRetryParts,
    signal,
  });
  return createRemoteStore(gcsClient(requests, objectLock), { ...options, retries: place.retries });
}

/**
 * The service takes objects of any size only once, whether in one request or resumed. What is put in
 * one request stays in memory until it is stored, so that is bounded here.
 */
const createOnlyBytes = 24 << 20;

function gcsClient(requests: GcsRequests, objectLock: boolean): RemoteClient {
  const generations = new Generations(requests);
  return {
    url: requests.place.url,
    // Every object can be held.
    can: { createOnlyBytes, objectLock, legalHold: true, storageClasses },
    locks: gcsLocks(requests),
    create: (key, bytes, options) => create(requests, key, { bytes, ...options }),
    beginUpload: (key, options) => beginUpload(requests, key, options),
    read: (key, options) => read(requests, key, options),
    head: (key, options) => head(requests, key, options),
    listPage: (prefix, options) => listPage(requests, prefix, options),
    remove: async (key, options) => {
      // In a bucket that keeps versions a deletion would hide what is locked.
      await assertUnlocked(requests, key, options);
      await remove(requests, key, options);
      await generations.remove(key, options);
    },
  };
}

async function* read(
  requests: GcsRequests,
  key: string,
  { range, signal }: { range?: ByteRange; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  const headers =
    range === undefined
      ? {}
      : { range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
  const { path } = requests.at(key);
  const query = { alt: "media" };
  const body = await requests
    .send({ act: "read", key, method: "GET", path, query, headers, signal })
    .catch((error: unknown) => {
      throw statusOf(error) === 404 ? objectMissing(requests.place.url, key) : error;
    });
  const failure = (error: unknown) => requests.failure(error, { act: "read", key });
  yield* readBody(body, { failure, signal });
}

interface Facts {
  name: string;
  /** A number in decimal, as are all 64-bit numbers of this API. */
  size: string;
  timeCreated: string;
  generation: string;
}

async function head(
  requests: GcsRequests,
  key: string,
  { signal }: Waiting,
): Promise<ObjectInfo | undefined> {
  const { path } = requests.at(key);
  const query = { fields: "size,timeCreated" };
  try {
    const request = { act: "look at", key, method: "GET", path, query, signal } as const;
    return infoOf(key, await requests.ask<Facts>(request));
  } catch (error) {
    // A missing bucket gets the same answer; to open or to list it does not.
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function infoOf(key: string, { size, timeCreated }: Facts): ObjectInfo {
  return { key, size: Number(size), created: new Date(timeCreated) };
}

interface Listing {
  items?: Facts[];
  prefixes?: string[];
  nextPageToken?: string;
}

async function listPage(
  requests: GcsRequests,
  prefix: string,
  { folders, token, signal }: PageOptions,
): Promise<Page> {
  const { bucketPath, name } = requests.at(prefix);
  const query = {
    prefix: name,
    maxResults: "1000",
    fields: "items(name,size,timeCreated),prefixes,nextPageToken",
    ...(folders ? { delimiter: "/" } : {}),
    ...(token === undefined ? {} : { pageToken: token }),
  };
  const path = `${bucketPath}/o`;
  const request = { act: "list", key: prefix, method: "GET", path, query, signal } as const;
  const { items = [], prefixes = [], nextPageToken } = await requests.ask<Listing>(request);
  const root = requests.place.prefix.length;
  return {
    objects: items.map((facts) => infoOf(facts.name.slice(root), facts)),
    folders: prefixes.map((full) => full.slice(name.length).replace(/\/$/, "")),
    ...(nextPageToken === undefined ? {} : { next: nextPageToken }),
  };
}

async function assertUnlocked(
  requests: GcsRequests,
  key: string,
  { signal }: Waiting,
): Promise<void> {
  const { legalHold, retain } = await lockOf(requests, key, { signal }).catch((error: unknown) => {
    if (error instanceof DbctlError && error.code === "object-missing") return nothing;
    throw error;
  });
  if (legalHold) throw objectLocked(requests.place.url, key, undefined);
  if (retain !== undefined && retain.until > new Date())
    throw objectLocked(requests.place.url, key, retain.until);
}

const nothing: ObjectLock = { legalHold: false };

async function remove(requests: GcsRequests, key: string, { signal }: Waiting): Promise<void> {
  const { path } = requests.at(key);
  const request = { act: "remove", key, method: "DELETE", path, signal } as const;
  (await requests.send({ ...request, expect: [404] })).resume();
}

/** In a bucket that keeps versions, a deletion only hides the object. */
class Generations {
  readonly #requests: GcsRequests;
  /** Undefined as long as nobody knows. */
  #areKept: boolean | undefined;

  constructor(requests: GcsRequests) {
    this.#requests = requests;
  }

  /** Removes what a deletion has left. The first deletion tells whether there is such a thing. */
  async remove(key: string, { signal }: Waiting): Promise<void> {
    if (this.#areKept === false) return;
    const { bucketPath, path, name } = this.#requests.at(key);
    const query = {
      prefix: name,
      versions: "true",
      // Names that only begin alike come after this one.
      endOffset: `${name}\0`,
      fields: "items(name,generation)",
    };
    const listing = { act: "remove", key, method: "GET", path: `${bucketPath}/o` } as const;
    const { items = [] } = await this.#requests.ask<Listing>({ ...listing, query, signal });
    this.#areKept ??= items.length > 0;
    for (const { generation } of items) {
      const request = { act: "remove", key, method: "DELETE", path } as const;
      const one = { ...request, query: { generation }, expect: [404], signal };
      (await this.#requests.send(one)).resume();
    }
  }
}
