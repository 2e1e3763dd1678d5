import type { ObjectStore } from "../store/object-store.ts";
import { ChunkCodec } from "./chunk-codec.ts";
import { release } from "./chunk-memory.ts";
import { damaged } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import type { ChunkRef, StreamMap } from "./map.ts";
import { streamHash } from "./map-bytes.ts";
import { packKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";

export interface ReadStreamOptions {
  store: ObjectStore;
  epoch: EpochKeys;
  map: StreamMap;
  signal: AbortSignal;
}

/**
 * The chunks of the stream in order, each checked before it is handed out. A chunk may be used until
 * the one after the next is asked for; then its memory is gone. Neighbours in a pack are fetched
 * together, and one such run ahead.
 */
export async function* readStream(options: ReadStreamOptions): AsyncGenerator<Uint8Array, void> {
  const { store, epoch, map } = options;
  if (streamHash(map.chunks) !== map.hash)
    throw damaged(`a stream of epoch ${epoch.epoch}`, "it is not the sum of its chunks");
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const codec = new ChunkCodec(epoch);
  let used: Buffer | undefined;
  const runs = joinNeighbours(map.chunks);
  const fetch = () => {
    const run = runs.next();
    if (run.done === true) return undefined;
    const bytes = fetchRun({ store, epoch, signal }, run.value);
    // Awaited later, or never when the caller stops.
    bytes.catch(() => {});
    return { run: run.value, bytes };
  };
  let next = fetch();
  try {
    while (next !== undefined) {
      const { run } = next;
      const bytes = await next.bytes;
      next = fetch();
      for (const chunk of openRun(codec, { run, bytes })) {
        yield chunk;
        if (used !== undefined) release(used);
        used = chunk;
      }
      release(bytes);
    }
  } finally {
    stop.abort();
    await next?.bytes.catch(() => {});
  }
}

/** Bytes of one run; two of them are in memory at once. */
const runBytes = 2 << 20;

/** References that lie one behind the other in their pack. */
export function* joinNeighbours(chunks: readonly ChunkRef[]): Generator<ChunkRef[], void> {
  let run: ChunkRef[] = [];
  let size = 0;
  for (const ref of chunks) {
    const last = run.at(-1);
    const follows = ref.pack === last?.pack && ref.offset === last.offset + last.stored;
    if (last !== undefined && (!follows || size + ref.stored > runBytes)) {
      yield run;
      run = [];
      size = 0;
    }
    run.push(ref);
    size += ref.stored;
  }
  if (run.length > 0) yield run;
}

/** The bytes from the first frame of the run to the end of its last one. */
export async function fetchRun(
  { store, epoch, signal }: Omit<ReadStreamOptions, "map">,
  run: readonly ChunkRef[],
): Promise<Buffer> {
  const [first] = run;
  if (first === undefined) return Buffer.alloc(0);
  const length = run.reduce((sum, { stored }) => sum + stored, 0);
  const range = { offset: first.offset, length };
  return await readObject(store, packKey(epoch, first.pack), { max: length, range, signal });
}

function* openRun(
  codec: ChunkCodec,
  { run, bytes }: { run: readonly ChunkRef[]; bytes: Buffer },
): Generator<Buffer, void> {
  let at = 0;
  for (const ref of run) {
    yield openRef(codec, ref, bytes.subarray(at, at + ref.stored));
    at += ref.stored;
  }
}

/** The chunk that the reference means. */
export function openRef(codec: ChunkCodec, ref: ChunkRef, frame: Uint8Array): Buffer {
  const { pack, offset, bytes, id } = ref;
  return codec.open(frame, { pack, offset, id: Buffer.from(id, "hex") }, bytes);
}
