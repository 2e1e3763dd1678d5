import type { ByteRange, ObjectStore } from "../store/object-store.ts";
import { release } from "./chunk-memory.ts";
import { damaged } from "./damage.ts";

interface Options {
  /** Bytes; a larger object is damage. */
  max: number;
  range?: ByteRange;
  signal: AbortSignal;
}

/** A whole object, or a range of it, in memory. */
export async function readObject(
  store: ObjectStore,
  key: string,
  { max, range, signal }: Options,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of store.get(key, range === undefined ? { signal } : { range, signal })) {
    size += piece.length;
    if (size > max) throw damaged(key, `it is larger than ${max} bytes`);
    pieces.push(piece);
  }
  if (range !== undefined && size !== range.length)
    throw damaged(key, "the store gave another range than was asked for", { offset: range.offset });
  const [only, ...others] = pieces;
  if (only !== undefined && others.length === 0)
    return Buffer.from(only.buffer, only.byteOffset, size);
  const whole = Buffer.concat(pieces, size);
  for (const piece of pieces) release(piece);
  return whole;
}
