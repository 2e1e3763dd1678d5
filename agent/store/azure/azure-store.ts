import { DbctlError } from "../../../core/errors.ts";
import { objectExists, objectLocked, objectMissing } from "../object-errors.ts";
import type { ByteRange, ObjectInfo, ObjectLock, ObjectStore } from "../object-store.ts";
import { type Body, readBody } from "../remote/read-body.ts";
import type { CreateOptions, Page, PageOptions, RemoteClient } from "../remote/remote-client.ts";
import { createRemoteStore, type RemoteStoreOptions } from "../remote/remote-store.ts";
import { realRetryParts, withRetries } from "../remote/with-retries.ts";
import { findAzureCredential } from "./azure-credential.ts";
import { azureLocks, hasImmutability, lockOf } from "./azure-locks.ts";
import { AzureRequests, checkedBody, codeOf, statusOf } from "./azure-requests.ts";
import { beginUpload, isThereAlready, onlyNew, tierOf } from "./azure-upload.ts";
import { parseAzureUrl, storageClasses } from "./azure-url.ts";

interface Waiting {
  signal: AbortSignal;
}

export interface OpenOptions extends Omit<RemoteStoreOptions, "retries"> {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

/** Opens a container of Azure Blob Storage; asks it whether its blobs can be locked. */
export async function openAzureStore(
  url: string,
  { env, signal, ...options }: OpenOptions,
): Promise<ObjectStore> {
  const place = parseAzureUrl(url, env);
  const requests = new AzureRequests(place, await findAzureCredential(place, env));
  const hasLocks = await withRetries((turn) => hasImmutability(requests, { signal: turn.signal }), {
    what: `open ${place.url}`,
    policy: place.retries,
    parts: options.parts ?? realRetryParts,
    signal,
  });
  return createRemoteStore(azureClient(requests, hasLocks), { ...options, retries: place.retries });
}

/**
 * The service takes blobs of any size only once, whether in one request or in blocks. What is put in
 * one request stays in memory until it is stored, so that is bounded here.
 */
const createOnlyBytes = 24 << 20;

function azureClient(requests: AzureRequests, hasLocks: boolean): RemoteClient {
  const versions = new Versions(requests);
  return {
    url: requests.place.url,
    can: { createOnlyBytes, objectLock: hasLocks, legalHold: hasLocks, storageClasses },
    ...(hasLocks ? { locks: azureLocks(requests) } : {}),
    create: (key, bytes, options) => create(requests, key, { bytes, ...options }),
    beginUpload: async (key, options) => beginUpload(requests, key, options),
    read: (key, options) => read(requests, key, options),
    head: (key, options) => head(requests, key, options),
    listPage: (prefix, options) => listPage(requests, prefix, options),
    remove: async (key, options) => {
      // A deletion could hide what is locked before it is refused.
      if (hasLocks) await assertUnlocked(requests, key, options);
      await remove(requests, key, options);
      await versions.remove(key, options);
    },
  };
}

async function create(
  requests: AzureRequests,
  key: string,
  { bytes, bulk, pace, signal }: CreateOptions & { bytes: Buffer },
): Promise<void> {
  const { container, name } = requests.at(key);
  const { body, transactionalContentMD5 } = checkedBody(bytes, pace);
  const how = { ...onlyNew, ...tierOf(requests, bulk), transactionalContentMD5 };
  try {
    await requests.ask({ act: "create", key, signal }, (_, options) =>
      container.getBlockBlobClient(name).upload(body, bytes.length, { ...options, ...how }),
    );
  } catch (error) {
    if (!isThereAlready(error)) throw error;
    if (!(await isOnlyBegun(requests, key, { signal })))
      throw objectExists(requests.place.url, key);
    const upload = beginUpload(requests, key, { bulk, signal });
    await upload.put(1, bytes, { signal, ...(pace === undefined ? {} : { pace }) });
    await upload.complete({ signal });
  }
}

/**
 * Blocks of an upload that was broken off may count as a blob for a request that puts all at once,
 * for a week. They do not for one that commits blocks.
 */
async function isOnlyBegun(
  requests: AzureRequests,
  key: string,
  { signal }: Waiting,
): Promise<boolean> {
  try {
    return (await head(requests, key, { signal })) === undefined;
  } catch (error) {
    if (error instanceof DbctlError && error.code === "store-denied") return false;
    throw error;
  }
}

async function* read(
  requests: AzureRequests,
  key: string,
  { range, signal }: { range?: ByteRange; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  const body = await openBody(requests, key, { range, signal });
  const failure = (error: unknown) => requests.failure(error, { act: "read", key });
  yield* readBody(body, { failure, signal });
}

async function openBody(
  requests: AzureRequests,
  key: string,
  { range, signal }: { range: ByteRange | undefined; signal: AbortSignal },
): Promise<Body> {
  const { container, name } = requests.at(key);
  // What is cut off is asked for again by the store, which counts its tries.
  const once = { maxRetryRequests: 0 };
  try {
    const { readableStreamBody } = await requests.ask({ act: "read", key, signal }, (_, options) =>
      container
        .getBlobClient(name)
        .download(range?.offset ?? 0, range?.length, { ...options, ...once }),
    );
    return readableStreamBody as unknown as Body;
  } catch (error) {
    throw codeOf(error) === "BlobNotFound" ? objectMissing(requests.place.url, key) : error;
  }
}

async function head(
  requests: AzureRequests,
  key: string,
  { signal }: Waiting,
): Promise<ObjectInfo | undefined> {
  const { container, name } = requests.at(key);
  try {
    const found = await requests.ask({ act: "look at", key, signal }, (_, options) =>
      container.getBlobClient(name).getProperties(options),
    );
    return infoOf(key, found.contentLength, found.createdOn);
  } catch (error) {
    if (codeOf(error) === "BlobNotFound") return undefined;
    throw error;
  }
}

function infoOf(key: string, size = 0, created?: Date): ObjectInfo {
  return created === undefined ? { key, size } : { key, size, created };
}

const mostPerPage = 1000;

async function listPage(
  requests: AzureRequests,
  prefix: string,
  { folders, token, signal }: PageOptions,
): Promise<Page> {
  const { container, name } = requests.at(prefix);
  const from = {
    maxPageSize: mostPerPage,
    ...(token === undefined ? {} : { continuationToken: token }),
  };
  const root = requests.place.prefix.length;
  const asked = { act: "list", key: prefix, signal };
  const { value: page } = await requests.ask(asked, (_, { abortSignal }) => {
    const options = { abortSignal, prefix: name };
    return folders
      ? container.listBlobsByHierarchy("/", options).byPage(from).next()
      : container.listBlobsFlat(options).byPage(from).next();
  });
  const { blobItems = [], blobPrefixes = [] } = page.segment;
  return {
    objects: blobItems.map(({ name: full, properties }: Listed) =>
      infoOf(full.slice(root), properties.contentLength, properties.createdOn),
    ),
    folders: blobPrefixes.map(({ name: full }: { name: string }) =>
      full.slice(name.length).replace(/\/$/, ""),
    ),
    ...(page.continuationToken ? { next: page.continuationToken } : {}),
  };
}

interface Listed {
  name: string;
  properties: { contentLength?: number; createdOn?: Date };
}

async function remove(requests: AzureRequests, key: string, { signal }: Waiting): Promise<void> {
  const { container, name } = requests.at(key);
  try {
    await requests.ask({ act: "remove", key, signal }, (_, options) =>
      container.getBlobClient(name).delete({ ...options, deleteSnapshots: "include" }),
    );
  } catch (error) {
    if (codeOf(error) === "BlobNotFound") return;
    throw error;
  }
}

async function assertUnlocked(
  requests: AzureRequests,
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

/** In an account that keeps versions, a deletion only hides the blob. */
class Versions {
  readonly #requests: AzureRequests;
  /** Undefined as long as nobody knows. */
  #areKept: boolean | undefined;

  constructor(requests: AzureRequests) {
    this.#requests = requests;
  }

  /** Removes what a deletion has left. The first deletion tells whether there is such a thing. */
  async remove(key: string, { signal }: Waiting): Promise<void> {
    if (this.#areKept === false) return;
    const { container, name } = this.#requests.at(key);
    const ids = await this.#requests.ask({ act: "remove", key, signal }, (_, { abortSignal }) =>
      versionsOf(
        container.listBlobsFlat({ abortSignal, prefix: name, includeVersions: true }),
        name,
      ),
    );
    this.#areKept ??= ids.length > 0;
    for (const id of ids)
      await this.#requests
        .ask({ act: "remove", key, signal }, (_, options) =>
          container.getBlobClient(name).withVersion(id).delete(options),
        )
        .catch((error: unknown) => {
          if (statusOf(error) !== 404) throw error;
        });
  }
}

/** Blobs whose names only begin alike come after this one's. */
async function versionsOf(
  blobs: AsyncIterable<{ name: string; versionId?: string }>,
  name: string,
): Promise<string[]> {
  const ids: string[] = [];
  for await (const blob of blobs) {
    if (blob.name !== name) break;
    if (blob.versionId !== undefined) ids.push(blob.versionId);
  }
  return ids;
}
