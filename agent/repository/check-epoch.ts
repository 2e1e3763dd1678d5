import { ChunkCodec } from "./chunk-codec.ts";
import { type CheckDepth, decodesChunks, drawLot } from "./check-depth.ts";
import { checkFrames, checkPackIndex, type PackSource } from "./check-pack.ts";
import { damageOf, isDamage } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { findEpochFile } from "./find-epoch-file.ts";
import { FrameList } from "./frame-list.ts";
import type { BackupHeader } from "./manifest.ts";
import { epochKey, manifestKey, mapKey, packKey, packPrefix } from "./object-key.ts";
import type { OpenBackup } from "./open-backup.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** Backups of one epoch, of which each pack is looked at once. */
export interface EpochCheck {
  store: ObjectStore;
  epoch: EpochKeys;
  headers: readonly BackupHeader[];
  open: (header: BackupHeader) => Promise<OpenBackup>;
  depth: Exclude<CheckDepth, { kind: "quick" }>;
  /** Groups of a backup's streams; a sample has a chunk of each that has any. */
  groupsOf: (backup: OpenBackup) => Iterable<number[]>;
  signal: AbortSignal;
}

export type EpochCheckEvent =
  /** An object was looked at; bytes and chunks that were decoded from it. */
  | { kind: "progress"; object: string; bytes: number; chunks: number }
  | { kind: "damage"; damage: EpochDamage };

export interface EpochDamage {
  /** The object's key. */
  object: string;
  how: "missing" | "truncated" | "flipped";
  /** A sentence: what is wrong. */
  what: string;
  /** Byte of the object, when known. */
  offset?: number;
  /** False: rows are whole; what is damaged is needed for repair only. */
  losesRows: boolean;
  /**
   * Backups that need the object, each with the streams that cannot be read whole because of it;
   * when rows are lost and no stream is named, it is not known which: any may be.
   */
  backups: { id: string; streams: number[] }[];
}

/**
 * Looks at all that the backups need. Goes on after a damage, so that every one is named; what is no
 * damage (the store cannot be reached) is thrown.
 */
export async function* checkEpoch(check: EpochCheck): AsyncGenerator<EpochCheckEvent, void> {
  using frames = new FrameList();
  yield* checkEpochFile(check);
  const packs = new Map<string, number>();
  for (const header of check.headers) {
    for (const { pack, size } of header.packs) packs.set(pack, size);
    yield* readMaps(check, header, frames);
  }
  const found: FoundDamage[] = [];
  const there = await sizesOf(check);
  const source = { ...check, codec: new ChunkCodec(check.epoch) };
  // A pack whose maps are damaged is looked at as far as that goes without them.
  for (const pack of new Set([...packs.keys(), ...frames.packs]))
    for await (const event of checkPack(source, { pack, expected: packs, there, frames }))
      if ("how" in event) found.push(event);
      else yield { kind: "progress", object: packKey(check.epoch, pack), ...event };
  for (const damage of await whomItHits(check, found)) yield { kind: "damage", damage };
}

/** A damage in a pack, before it is known whom it hits. */
interface FoundDamage {
  pack: string;
  how: EpochDamage["how"];
  what: string;
  offset?: number;
  losesChunks: boolean;
  /** The pack is there, but its own backup does not list it. */
  unlisted?: boolean;
}

async function* checkEpochFile(check: EpochCheck): AsyncGenerator<EpochCheckEvent, void> {
  const { store, epoch, headers, signal } = check;
  if ((await findEpochFile(store, epoch, { signal })) !== undefined) return;
  const backups = headers.map(({ id }) => ({ id, streams: [] }));
  const damage = { object: epochKey(epoch), how: "missing", what: "it is not there" } as const;
  yield { kind: "damage", damage: { ...damage, losesRows: true, backups } };
}

async function* readMaps(
  check: EpochCheck,
  header: BackupHeader,
  frames: FrameList,
): AsyncGenerator<EpochCheckEvent, void> {
  let backup: OpenBackup;
  try {
    backup = await check.open(header);
  } catch (error) {
    return yield damageIn(manifestKey(header), error, { id: header.id, streams: [] });
  }
  const lots = new Map<number, Lot>();
  if (check.depth.kind === "sample")
    for (const group of check.groupsOf(backup)) {
      const lot: Lot = { best: 1 };
      for (const stream of group) lots.set(stream, lot);
    }
  for (const map of header.maps.keys()) {
    const object = mapKey(header, map);
    const streams = backup.streamsOfMap(map);
    try {
      for (const stream of streams) {
        const { chunks } = await backup.streamMap(stream);
        frames.add(chunks.map((ref) => ({ ref, chosen: isChosen(check, ref, lots.get(stream)) })));
      }
      yield { kind: "progress", object, bytes: 0, chunks: 0 };
    } catch (error) {
      yield damageIn(object, error, { id: header.id, streams });
    }
  }
}

/** The lowest lot that was drawn in a group. */
interface Lot {
  best: number;
}

/**
 * Besides those below the share, every chunk is taken whose lot is the lowest of its group so far:
 * the first one always is, and few others are.
 */
function isChosen({ depth }: EpochCheck, { id }: { id: string }, group: Lot | undefined): boolean {
  if (depth.kind !== "sample") return depth.kind === "full";
  const lot = drawLot(depth.seed, id);
  const isLowest = group !== undefined && lot < group.best;
  if (isLowest) group.best = lot;
  return isLowest || lot * 100 < depth.percent;
}

async function sizesOf({ store, epoch, signal }: EpochCheck): Promise<Map<string, number>> {
  const prefix = packPrefix(epoch);
  const sizes = new Map<string, number>();
  for await (const { key, size } of store.list(prefix, { signal }))
    sizes.set(key.slice(prefix.length), size);
  return sizes;
}

interface PackCheck {
  pack: string;
  /** Bytes of packs, as the manifests say. */
  expected: ReadonlyMap<string, number>;
  /** Bytes of packs, as the store says. */
  there: ReadonlyMap<string, number>;
  frames: FrameList;
}

async function* checkPack(
  source: PackSource & EpochCheck,
  { pack, expected, there, frames }: PackCheck,
): AsyncGenerator<FoundDamage | { bytes: number; chunks: number }, void> {
  const whole = { pack, losesChunks: true };
  const [size, found] = [expected.get(pack), there.get(pack)];
  if (size === undefined) {
    const what = `it does not list pack ${pack}, which it needs`;
    return yield { ...whole, how: "flipped", what, unlisted: true };
  }
  if (found === undefined) return yield { ...whole, how: "missing", what: "it is not there" };
  if (found !== size) {
    const what = `it has ${found} bytes instead of ${size}`;
    yield { ...whole, how: found < size ? "truncated" : "flipped", what };
  }
  const needed = frames.of(pack);
  const refs = needed.map(({ ref }) => ref);
  for (const damage of await checkPackIndex(source, { pack, size: found }, refs))
    yield { pack, how: "flipped", ...damage };
  let [bytes, chunks] = [0, 0];
  const chosen = decodesChunks(source.depth) ? needed.filter((frame) => frame.chosen) : [];
  for await (const event of checkFrames(
    source,
    chosen.map(({ ref }) => ref),
  ))
    if ("what" in event) yield { pack, how: "flipped", ...event };
    else [bytes, chunks] = [bytes + event.bytes, chunks + 1];
  yield { bytes, chunks };
}

/** Reads the maps once more, of those backups only that list a damaged pack. */
async function whomItHits(check: EpochCheck, found: FoundDamage[]): Promise<EpochDamage[]> {
  const damages = found.map((one) => ({ ...one, backups: [] as EpochDamage["backups"] }));
  const packs = Map.groupBy(damages, ({ pack }) => pack);
  for (const header of damages.length === 0 ? [] : check.headers) {
    if (!header.packs.some(({ pack }) => packs.has(pack)) && !damages.some((one) => one.unlisted))
      continue;
    const { streams, isSure } = await streamsHit(check, header, packs);
    for (const damage of damages) {
      const hit = streams.get(damage);
      const lists = header.packs.some(({ pack }) => pack === damage.pack);
      const mayLose = !isSure && damage.offset === undefined;
      if (hit !== undefined || (lists && (mayLose || !damage.losesChunks)))
        damage.backups.push({ id: header.id, streams: hit ?? [] });
    }
  }
  return damages.map(({ pack, how, what, offset, losesChunks, unlisted, backups }) => {
    const id = backups[0]?.id ?? "";
    const object =
      unlisted === true ? manifestKey({ ...check.epoch, id }) : packKey(check.epoch, pack);
    const place = offset === undefined ? {} : { offset };
    return { object, how, what, ...place, losesRows: losesChunks, backups };
  });
}

/** `isSure`: all of the backup's maps could be read. */
async function streamsHit(
  { open }: EpochCheck,
  header: BackupHeader,
  packs: ReadonlyMap<string, FoundDamage[]>,
): Promise<{ streams: Map<FoundDamage, number[]>; isSure: boolean }> {
  const hit = new Map<FoundDamage, Set<number>>();
  let isSure = true;
  try {
    const backup = await open(header);
    for (const stream of backup.streams) {
      const chunks = await readable(backup, stream);
      isSure &&= chunks !== undefined;
      for (const { pack, offset } of chunks ?? [])
        for (const damage of packs.get(pack) ?? [])
          if (damage.losesChunks && (damage.offset === undefined || damage.offset === offset))
            hit.set(damage, (hit.get(damage) ?? new Set()).add(stream));
    }
  } catch (error) {
    // The manifest itself was named before.
    if (!isDamage(error)) throw error;
    isSure = false;
  }
  const streams = new Map(hit.entries().map(([damage, numbers]) => [damage, [...numbers]]));
  return { streams, isSure };
}

/** The chunks of a stream, unless its map is damaged, which was said before. */
async function readable(backup: OpenBackup, stream: number) {
  try {
    return (await backup.streamMap(stream)).chunks;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** The event for an error that is about this object; any other error is thrown. */
function damageIn(
  object: string,
  error: unknown,
  hit: { id: string; streams: number[] },
): EpochCheckEvent {
  if (!isDamage(error)) throw error;
  const how = error.code === "object-missing" ? "missing" : "flipped";
  const what = damageOf(object, error);
  return { kind: "damage", damage: { object, how, what, losesRows: true, backups: [hit] } };
}
