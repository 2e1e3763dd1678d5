import { DbctlError } from "../../core/errors.ts";
import { ChunkCodec } from "./chunk-codec.ts";
import { release } from "./chunk-memory.ts";
import { damageOf } from "./damage.ts";
import { findEpochFile } from "./find-epoch-file.ts";
import type { ChunkRef } from "./map.ts";
import { epochKey, manifestKey, mapKey, packKey } from "./object-key.ts";
import type { OpenBackup } from "./open-backup.ts";
import { readPackIndex } from "./pack.ts";
import { fetchAhead, fetchRun, joinNeighbours } from "./fetch-ahead.ts";
import { openRef } from "./read-stream.ts";

export type CheckEvent =
  /** An object was looked at; bytes and chunks that were decoded from it. */
  | { kind: "progress"; object: string; bytes: number; chunks: number }
  | { kind: "damage"; damage: Damage };

export interface Damage {
  /** The object's key. */
  object: string;
  /** A sentence: what is wrong. */
  what: string;
  /** Byte of the object, when known. */
  offset?: number;
  /** Streams that cannot be read whole because of it. */
  streams: number[];
}

export interface CheckOptions {
  /** `quick`: every map, every object's size, every pack's index. `full`: every byte, too. */
  level: "quick" | "full";
  signal: AbortSignal;
}

/**
 * Looks at all that the backup needs. Goes on after a damage, so that every one is named; what is
 * no damage (the store cannot be reached) is thrown.
 */
export async function* checkBackup(
  backup: OpenBackup,
  options: CheckOptions,
): AsyncGenerator<CheckEvent, void> {
  const { header } = backup;
  yield* checkEpoch(backup, options);
  const codec = new ChunkCodec(backup.epoch);
  const sizes = new Map(header.packs.map(({ pack, size }) => [pack, size]));
  const seen = new Set<string>();
  for (const map of header.maps.keys()) {
    const packs = new Map<string, Frames>();
    yield* readMap(backup, { map, packs });
    for (const [pack, frames] of packs) {
      const [size, first] = [sizes.get(pack), !seen.has(pack)];
      seen.add(pack);
      yield* checkPack({ backup, options, codec, pack, size, frames, first });
    }
  }
}

/** A pack's frames by their place, and the streams that need them. */
type Frames = Map<number, { ref: ChunkRef; streams: Set<number> }>;

async function* checkEpoch(
  { store, header }: OpenBackup,
  { signal }: CheckOptions,
): AsyncGenerator<CheckEvent, void> {
  const object = epochKey(header);
  if ((await findEpochFile(store, header, { signal })) === undefined)
    yield { kind: "damage", damage: { object, what: "it is not there", streams: [] } };
}

async function* readMap(
  backup: OpenBackup,
  { map, packs }: { map: number; packs: Map<string, Frames> },
): AsyncGenerator<CheckEvent, void> {
  const object = mapKey(backup.header, map);
  const streams = backup.streamsOfMap(map);
  try {
    for (const stream of streams) {
      for (const ref of (await backup.streamMap(stream)).chunks) {
        const frames = packs.get(ref.pack) ?? new Map();
        packs.set(ref.pack, frames);
        const frame = frames.get(ref.offset) ?? { ref, streams: new Set() };
        frames.set(ref.offset, frame);
        frame.streams.add(stream);
      }
    }
    yield { kind: "progress", object, bytes: 0, chunks: 0 };
  } catch (error) {
    yield damageIn(object, error, { streams });
  }
}

interface PackCheck {
  backup: OpenBackup;
  options: CheckOptions;
  codec: ChunkCodec;
  pack: string;
  /** Its bytes, says the manifest. */
  size: number | undefined;
  frames: Frames;
  /** Whether the pack was not looked at because of an earlier map. */
  first: boolean;
}

async function* checkPack(check: PackCheck): AsyncGenerator<CheckEvent, void> {
  const { backup, options, pack, size, frames, first } = check;
  const { header, store } = backup;
  const object = packKey(header, pack);
  const streams = [...new Set(frames.values().flatMap((frame) => frame.streams))];
  const damage = (what: string, where = object): CheckEvent => {
    return { kind: "damage", damage: { object: where, what, streams } };
  };
  if (size === undefined)
    return yield damage(`it does not list pack ${pack}, which it needs`, manifestKey(header));
  const found = await store.head(object, { signal: options.signal });
  if (found === undefined) return yield damage("it is not there");
  if (found.size !== size) yield damage(`it has ${found.size} bytes instead of ${size}`);
  if (first) yield* checkPackIndex(check, found.size);
  if (options.level === "quick") return yield { kind: "progress", object, bytes: 0, chunks: 0 };
  yield* checkFrames(check);
}

/** The index is not needed to restore, but to repair: no stream is lost with it. */
async function* checkPackIndex(
  { backup, options, pack, frames }: PackCheck,
  size: number,
): AsyncGenerator<CheckEvent, void> {
  const { store, epoch, header } = backup;
  const object = packKey(header, pack);
  try {
    const index = await readPackIndex({ store, epoch, signal: options.signal }, { pack, size });
    const ids = new Map(index.map(({ id, offset }) => [offset, Buffer.from(id).toString("hex")]));
    for (const [offset, { ref }] of frames) {
      if (ids.get(offset) === ref.id) continue;
      const what = "its index does not have a chunk that is needed";
      yield { kind: "damage", damage: { object, what, offset, streams: [] } };
    }
  } catch (error) {
    yield damageIn(object, error, { streams: [] });
  }
}

async function* checkFrames(check: PackCheck): AsyncGenerator<CheckEvent, void> {
  const { backup, options, pack, frames } = check;
  const refs = [...frames.values()].map(({ ref }) => ref);
  const object = packKey(backup.header, pack);
  const source = { store: backup.store, epoch: backup.epoch, signal: options.signal };
  let [bytes, chunks] = [0, 0];
  const runs = joinNeighbours(refs.toSorted((a, b) => a.offset - b.offset));
  for await (const { run, bytes: fetched } of fetchAhead(source, runs)) {
    // A run that cannot be read whole is read frame by frame: one damage costs one chunk.
    const whole = await fetched.catch((error: unknown) => rethrowUnlessDamage(error));
    for (const ref of run) {
      const start = ref.offset - (run[0]?.offset ?? 0);
      try {
        const frame = whole?.subarray(start, start + ref.stored) ?? (await fetchRun(source, [ref]));
        const chunk = openRef(check.codec, ref, frame);
        bytes += chunk.length;
        chunks += 1;
        release(chunk);
      } catch (error) {
        const streams = [...(frames.get(ref.offset)?.streams ?? [])];
        yield damageIn(object, error, { streams, offset: ref.offset });
      }
    }
    if (whole !== undefined) release(whole);
  }
  yield { kind: "progress", object, bytes, chunks };
}

function rethrowUnlessDamage(error: unknown): undefined {
  if (!(error instanceof DbctlError) || !damages.has(error.code)) throw error;
}

/** The event for an error that is about this object; any other error is thrown. */
function damageIn(
  object: string,
  error: unknown,
  place: { streams: number[]; offset?: number },
): CheckEvent {
  if (!(error instanceof DbctlError) || !damages.has(error.code)) throw error;
  return { kind: "damage", damage: { object, what: damageOf(object, error), ...place } };
}

const damages = new Set(["repository-damaged", "repository-newer", "object-missing", "store-io"]);
