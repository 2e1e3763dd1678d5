import { objectExists, objectMissing, rangePastEnd } from "../object-errors.ts";
import { obeySignal } from "../obey-signal.ts";
import type { ByteRange, ObjectInfo, ObjectStore } from "../object-store.ts";
import { assertKey } from "../store-key.ts";

const url = "memory://";

/** A store that lives as long as the process. The objects are there to be looked at and spoilt. */
export function createMemoryStore(
  objects: Map<string, Uint8Array> = new Map<string, Uint8Array>(),
): ObjectStore {
  return {
    url,
    async put(key, body, { signal }) {
      assertKey(key);
      const pieces = await Array.fromAsync(obeySignal(body, signal));
      signal.throwIfAborted();
      if (objects.has(key)) throw objectExists(url, key);
      const bytes = Buffer.concat(pieces);
      objects.set(key, bytes);
      return { key, size: bytes.length };
    },
    get: (key, { range, signal }) => read(objects, { key, range, signal }),
    async head(key, { signal }) {
      signal.throwIfAborted();
      const bytes = objects.get(key);
      return bytes === undefined ? undefined : { key, size: bytes.length };
    },
    list: (prefix, { signal }) => list(objects, prefix, signal),
    async delete(key, { signal }) {
      signal.throwIfAborted();
      objects.delete(key);
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
  objects: Map<string, Uint8Array>,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ObjectInfo, void> {
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix));
  for (const key of keys.toSorted(byBytes)) {
    signal.throwIfAborted();
    const bytes = objects.get(key);
    if (bytes !== undefined) yield { key, size: bytes.length };
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
