import type { ObjectStore } from "../store/object-store.ts";
import type { ChunkCodec } from "./chunk-codec.ts";
import { release } from "./chunk-memory.ts";
import { damageOf, isDamage } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { fetchAhead, fetchRun, joinNeighbours } from "./fetch-ahead.ts";
import type { ChunkRef } from "./map.ts";
import { packKey } from "./object-key.ts";
import { readPackIndex } from "./pack.ts";
import { openRef } from "./read-stream.ts";

export interface PackSource {
  store: ObjectStore;
  epoch: EpochKeys;
  codec: ChunkCodec;
  signal: AbortSignal;
}

/** What is wrong in a pack: with the frame at a byte of it, or with its index. */
export interface PackDamage {
  what: string;
  /** Unset: the index as a whole. */
  offset?: number;
  /** The index is not needed to restore: no chunk is lost with it. */
  losesChunks: boolean;
}

/** Reads the pack's index and holds the frames that are needed against it. */
export async function checkPackIndex(
  { store, epoch, signal }: PackSource,
  { pack, size }: { pack: string; size: number },
  frames: readonly ChunkRef[],
): Promise<PackDamage[]> {
  try {
    const index = await readPackIndex({ store, epoch, signal }, { pack, size });
    const ids = new Map(index.map(({ id, offset }) => [offset, Buffer.from(id).toString("hex")]));
    const what = "its index does not have a chunk that is needed";
    return frames
      .filter(({ offset, id }) => ids.get(offset) !== id)
      .map(({ offset }) => ({ what, offset, losesChunks: false }));
  } catch (error) {
    return [{ what: whatOf(packKey(epoch, pack), error), losesChunks: false }];
  }
}

/** Decodes the frames, which lie in one pack and come by their place. Goes on after a damage. */
export async function* checkFrames(
  source: PackSource,
  frames: readonly ChunkRef[],
): AsyncGenerator<{ bytes: number } | PackDamage, void> {
  for await (const { run, bytes: fetched } of fetchAhead(source, joinNeighbours(frames))) {
    // A run that cannot be read whole is read frame by frame: one damage costs one chunk.
    const whole = await fetched.catch((error: unknown) => rethrowUnlessDamage(error));
    for (const ref of run) {
      const start = ref.offset - (run[0]?.offset ?? 0);
      try {
        const frame = whole?.subarray(start, start + ref.stored) ?? (await fetchRun(source, [ref]));
        const chunk = openRef(source.codec, ref, frame);
        yield { bytes: chunk.length };
        release(chunk);
      } catch (error) {
        const what = whatOf(packKey(source.epoch, ref.pack), error);
        yield { what, offset: ref.offset, losesChunks: true };
      }
    }
    if (whole !== undefined) release(whole);
  }
}

function rethrowUnlessDamage(error: unknown): undefined {
  if (!isDamage(error)) throw error;
}

/** What the error says of the object; an error that is no damage is thrown. */
function whatOf(object: string, error: unknown): string {
  if (!isDamage(error)) throw error;
  return damageOf(object, error);
}
