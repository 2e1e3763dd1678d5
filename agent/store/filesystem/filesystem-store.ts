import { randomUUID } from "node:crypto";
import { type FileHandle, link, lstat, open, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DbctlError } from "../../../core/errors.ts";
import { objectExists, objectMissing, rangePastEnd } from "../object-errors.ts";
import { obeySignal } from "../obey-signal.ts";
import type { ByteRange, ObjectBody, ObjectInfo, ObjectStore } from "../object-store.ts";
import { assertKey } from "../store-key.ts";
import { syncFolder } from "../../../core/sync-folder.ts";
import { DurableFolders } from "./durable-folders.ts";
import { errnoOf, fileError } from "./file-error.ts";
import { listFolder, listSubfolders } from "./list-folder.ts";
import { removeStaleUploads } from "./stale-uploads.ts";

/** A store below a folder, which need not exist yet. Files have mode 0600, folders 0700. */
export function createFilesystemStore(folder: string): ObjectStore {
  const root = resolve(folder);
  const folders = new DurableFolders(root);
  const place: Place = { root, url: pathToFileURL(root).href, folders, isSwept: false };
  return {
    url: place.url,
    can: { createOnlyBytes: Infinity, objectLock: false, legalHold: false, storageClasses: [] },
    put: (key, body, { signal }) => put(place, key, { body, signal }),
    get: (key, { range, signal }) => get(place, key, { range, signal }),
    head: (key, { signal }) => head(place, key, signal),
    list: (prefix, { signal }) => listFolder({ root, prefix, signal }),
    listFolders: (prefix, { signal }) => listSubfolders({ root, prefix, signal }),
    delete: (key, { signal }) => remove(place, key, signal),
  };
}

/** The folder of a `file:///path` URL. */
export function parseFileUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain = parsed?.protocol === "file:" && parsed.host === "" && parsed.pathname !== "/";
  if (parsed === undefined || !plain || !/^file:\/\/(localhost)?\//i.test(url))
    throw unusable(url, "it is no file URL");
  if (/[?#]/.test(url)) throw unusable(url, "a ? or # in it has to be written %3F or %23");
  try {
    return fileURLToPath(parsed);
  } catch (cause) {
    throw unusable(url, "a % in it is not followed by two digits of a character's code", cause);
  }
}

function unusable(url: string, what: string, cause?: unknown): DbctlError {
  const example = url.startsWith("/") ? pathToFileURL(url).href : "file:///srv/backups";
  return new DbctlError("usage", `Cannot use ${JSON.stringify(url)} as a repository: ${what}`, {
    remedy: `Write file:// and then the absolute path of a folder: ${example}`,
    cause,
  });
}

interface Place {
  root: string;
  url: string;
  folders: DurableFolders;
  /** Whether what crashes have left was removed. */
  isSwept: boolean;
}

/** Unfinished uploads. Begins with a dot, so that it is never listed. */
const uploads = ".uploads";

async function put(
  place: Place,
  key: string,
  { body, signal }: { body: ObjectBody; signal: AbortSignal },
): Promise<ObjectInfo> {
  const { root, url, folders } = place;
  const path = pathOf(root, key);
  signal.throwIfAborted();
  await attempt(path, () => prepare(place));
  await using upload = await attempt(path, () => openUpload(join(root, uploads, randomUUID())));
  let size = 0;
  for await (const piece of obeySignal(body, signal)) {
    await attempt(path, () => writeAll(upload.handle, piece));
    size += piece.length;
  }
  await attempt(path, async () => {
    await upload.handle.sync();
    await folders.make(dirname(path));
  });
  signal.throwIfAborted();
  if (!(await attempt(path, () => commit(upload.path, path)))) throw objectExists(url, key);
  return { key, size };
}

async function prepare(place: Place): Promise<void> {
  const folder = join(place.root, uploads);
  await place.folders.make(folder);
  if (place.isSwept) return;
  place.isSwept = true;
  await removeStaleUploads(folder);
}

/** Translates the errors of the file system, but not those of a body. */
async function attempt<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw fileError("create", path, error);
  }
}

interface Upload extends AsyncDisposable {
  path: string;
  handle: FileHandle;
}

async function openUpload(path: string): Promise<Upload> {
  const handle = await open(path, "wx", 0o600);
  const dispose = async () => {
    await handle.close();
    await unlink(path);
  };
  return { path, handle, [Symbol.asyncDispose]: dispose };
}

async function writeAll(handle: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length;)
    at += (await handle.write(piece, at, piece.length - at)).bytesWritten;
}

/** False when the path is taken. link(2) never replaces: of several racing puts, one wins. */
async function commit(upload: string, path: string): Promise<boolean> {
  try {
    await link(upload, path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    await syncFolder(dirname(path));
  } catch (error) {
    await unlink(path);
    throw error;
  }
  return true;
}

const pieceBytes = 1 << 20;

async function* get(
  { root, url }: Place,
  key: string,
  { range, signal }: { range: ByteRange | undefined; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  const path = pathOf(root, key);
  signal.throwIfAborted();
  try {
    await using handle = await open(path, "r");
    const { size } = await handle.stat();
    const { offset, length } = range ?? { offset: 0, length: size };
    if (offset + length > size) throw rangePastEnd(url, key);
    for (let at = offset; at < offset + length;) {
      signal.throwIfAborted();
      const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, offset + length - at));
      const { bytesRead } = await handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw rangePastEnd(url, key);
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  } catch (error) {
    if (isMissing(error)) throw objectMissing(url, key);
    throw fileError("read", path, error);
  }
}

async function head(
  { root }: Place,
  key: string,
  signal: AbortSignal,
): Promise<ObjectInfo | undefined> {
  const path = pathOf(root, key);
  signal.throwIfAborted();
  try {
    const found = await lstat(path);
    // Nobody can set the ctime of a file, as one can the mtime.
    return found.isFile() ? { key, size: found.size, created: found.ctime } : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw fileError("look at", path, error);
  }
}

async function remove({ root }: Place, key: string, signal: AbortSignal): Promise<void> {
  const path = pathOf(root, key);
  signal.throwIfAborted();
  try {
    await unlink(path);
    await syncFolder(dirname(path));
  } catch (error) {
    if (!isMissing(error)) throw fileError("remove", path, error);
  }
}

function pathOf(root: string, key: string): string {
  assertKey(key);
  return join(root, key);
}

function isMissing(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === "ENOENT" || errno === "ENOTDIR";
}
