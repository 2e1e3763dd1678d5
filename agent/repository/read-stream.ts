import type { ObjectStore } from "../store/object-store.ts";
import { ChunkCodec } from "./chunk-codec.ts";
import { release } from "./chunk-memory.ts";
import { damaged } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { fetchAhead, joinNeighbours } from "./fetch-ahead.ts";
import type { ChunkRef, StreamMap } from "./map.ts";
import { streamHash } from "./map-bytes.ts";

export interface ReadStreamOptions {
  store: ObjectStore;
  epoch: EpochKeys;
  map: StreamMap;
  signal: AbortSignal;
}

/**
 * The chunks of the stream in order, each checked before it is handed out. A chunk may be used until
 * the one after the next is asked for; then its memory is gone. Neighbours in a pack are fetched
 * together, and several such runs ahead.
 */
export async function* readStream(options: ReadStreamOptions): AsyncGenerator<Uint8Array, void> {
  const { epoch, map } = options;
  if (streamHash(map.chunks) !== map.hash)
    throw damaged(`a stream of epoch ${epoch.epoch}`, "it is not the sum of its chunks");
  const codec = new ChunkCodec(epoch);
  let used: Buffer | undefined;
  for await (const fetched of fetchAhead(options, joinNeighbours(map.chunks))) {
    const bytes = await fetched.bytes;
    for (const chunk of openRun(codec, { run: fetched.run, bytes })) {
      yield chunk;
      if (used !== undefined) release(used);
      used = chunk;
    }
    release(bytes);
  }
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
