import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteRange, ObjectStore } from "../store/object-store.ts";
import { overlayStore } from "./overlay-store.ts";

/** An object of a store in a file of ours, so that what was checked is what is put. */
export interface LocalCopy extends AsyncDisposable {
  key: string;
  size: number;
  /** A store in which the object is that file, and all else is as it was. */
  store: ObjectStore;
  read: () => AsyncIterable<Uint8Array>;
}

/** Fetches the object into a folder for temporary files; disposing removes it. */
export async function fetchLocalCopy(
  from: ObjectStore,
  key: string,
  { signal }: { signal: AbortSignal },
): Promise<LocalCopy> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "dbctl-heal-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "object");
  let size = 0;
  {
    await using file = await open(path, "wx", 0o600);
    for await (const piece of from.get(key, { signal })) {
      await file.writeFile(piece);
      size += piece.length;
    }
  }
  const read = (range: ByteRange = { offset: 0, length: size }) =>
    range.length === 0 ? [] : readRange(path, range);
  const store = overlayStore(from, {
    get: (wanted, options) =>
      wanted === key ? iterate(read(options.range)) : from.get(wanted, options),
    head: async (wanted, options) => (wanted === key ? { key, size } : from.head(wanted, options)),
  });
  const owned = stack.move();
  const dispose = { [Symbol.asyncDispose]: () => owned.disposeAsync() };
  return { key, size, store, read: () => iterate(read()), ...dispose };
}

function readRange(path: string, { offset, length }: ByteRange): AsyncIterable<Uint8Array> {
  return createReadStream(path, {
    start: offset,
    end: offset + length - 1,
    highWaterMark: 1 << 20,
  }) as AsyncIterable<Uint8Array>;
}

async function* iterate(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  yield* pieces;
}
