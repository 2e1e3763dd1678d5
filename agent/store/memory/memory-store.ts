import { objectExists, objectLocked, objectMissing, rangePastEnd } from "../object-errors.ts";
import { obeySignal } from "../obey-signal.ts";
import type {
  ByteRange,
  ObjectInfo,
  ObjectLock,
  ObjectLocks,
  ObjectStore,
} from "../object-store.ts";
import { assertKey } from "../store-key.ts";

const url = "memory://";

/**
 * A store that lives as long as the process. The objects are there to be looked at and spoilt; `now`
 * is the store's clock.
 */
export function createMemoryStore(
  objects: Map<string, Uint8Array> = new Map<string, Uint8Array>(),
  { now = () => new Date() }: { now?: () => Date } = {},
): ObjectStore {
  const facts = new Map<string, Facts>();
  return {
    url,
    can: { createOnlyBytes: Infinity, objectLock: true, legalHold: true, storageClasses: [] },
    locks: lockIn(objects, facts, now),
    async put(key, body, { signal }) {
      assertKey(key);
      const pieces = await Array.fromAsync(obeySignal(body, signal));
      signal.throwIfAborted();
      if (objects.has(key)) throw objectExists(url, key);
      const bytes = Buffer.concat(pieces);
      objects.set(key, bytes);
      facts.set(key, { created: now(), lock: { legalHold: false } });
      return { key, size: bytes.length };
    },
    get: (key, { range, signal }) => read(objects, { key, range, signal }),
    async head(key, { signal }) {
      signal.throwIfAborted();
      const bytes = objects.get(key);
      return bytes === undefined ? undefined : infoOf(key, bytes, facts);
    },
    list: (prefix, { signal }) => list({ objects, facts }, prefix, signal),
    listFolders: (prefix, { signal }) => listFolders(objects, prefix, signal),
    async delete(key, { signal }) {
      signal.throwIfAborted();
      const { retain, legalHold } = facts.get(key)?.lock ?? { legalHold: false };
      if (objects.has(key) && legalHold) throw objectLocked(url, key, undefined);
      if (objects.has(key) && retain !== undefined && retain.until > now())
        throw objectLocked(url, key, retain.until);
      objects.delete(key);
    },
  };
}

interface Facts {
  created: Date;
  lock: ObjectLock;
}

function infoOf(key: string, bytes: Uint8Array, facts: Map<string, Facts>): ObjectInfo {
  const created = facts.get(key)?.created;
  return { key, size: bytes.length, ...(created === undefined ? {} : { created }) };
}

function lockIn(
  objects: Map<string, Uint8Array>,
  facts: Map<string, Facts>,
  now: () => Date,
): ObjectLocks {
  const lockOf = (key: string): ObjectLock => {
    const lock = facts.get(key)?.lock;
    if (lock === undefined || !objects.has(key)) throw objectMissing(url, key);
    return lock;
  };
  return {
    async get(key, { signal }) {
      signal.throwIfAborted();
      return { ...lockOf(key) };
    },
    async retain(key, retain, { signal }) {
      signal.throwIfAborted();
      const lock = lockOf(key);
      const holds = lock.retain?.until;
      if (holds !== undefined && holds > now() && retain.until < holds)
        throw objectLocked(url, key, holds);
      lock.retain = { ...retain };
    },
    async setLegalHold(key, hold, { signal }) {
      signal.throwIfAborted();
      lockOf(key).legalHold = hold;
    },
  };
}

const pieceBytes = 64 << 10;

async function* read(
  objects: Map<string, Uint8Array>,
  { key, range, signal }: { key: string; range: ByteRange | undefined; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  signal.throwIfAborted();
  const bytes = objects.get(key);
  if (bytes === undefined) throw objectMissing(url, key);
  const { offset, length } = range ?? { offset: 0, length: bytes.length };
  if (offset + length > bytes.length) throw rangePastEnd(url, key);
  for (let at = offset; at < offset + length; at += pieceBytes) {
    signal.throwIfAborted();
    yield Uint8Array.from(bytes.subarray(at, Math.min(at + pieceBytes, offset + length)));
  }
}

async function* list(
  { objects, facts }: { objects: Map<string, Uint8Array>; facts: Map<string, Facts> },
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ObjectInfo, void> {
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix));
  for (const key of keys.toSorted(byBytes)) {
    signal.throwIfAborted();
    const bytes = objects.get(key);
    if (bytes !== undefined) yield infoOf(key, bytes, facts);
  }
}

async function* listFolders(
  objects: Map<string, Uint8Array>,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  signal.throwIfAborted();
  const inner = [...objects.keys()].filter((key) => key.startsWith(prefix));
  const names = inner.map((key) => key.slice(prefix.length).split("/"));
  const folders = new Set(names.flatMap(([name = "", ...rest]) => (rest.length > 0 ? [name] : [])));
  for (const name of [...folders].toSorted((a, b) => byBytes(`${a}/`, `${b}/`))) {
    signal.throwIfAborted();
    yield name;
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
