import { lstatSync } from "node:fs";
import { basename, join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { ArchiveCursor } from "./archive-cursor.ts";
import { BadArchive } from "./bad-archive.ts";
import { openRegion, type Region } from "./random-bytes.ts";
import type { ArchiveEntry, Toc } from "./read-toc.ts";

export interface DataReading {
  signal: AbortSignal;
  /** Told how many stored bytes were read. */
  onRead: (bytes: number) => void;
}

/** Where the data of an archive's entries are. */
export type DataPlaces =
  | { kind: "custom"; path: string; toc: Toc; offsets: ReadonlyMap<number, number> }
  | { kind: "directory"; path: string }
  | { kind: "tar"; members: ReadonlyMap<string, Required<Region>> };

const readBytes = 1 << 20;
const expanding = { chunkSize: readBytes };

/** The data of an entry, expanded. Rejects with a `BadArchive`. */
export async function* readEntryData(
  places: DataPlaces,
  entry: ArchiveEntry,
  reading: DataReading,
): AsyncGenerator<Buffer> {
  if (places.kind === "custom") return yield* readCustom(places, entry, reading);
  if (entry.data.kind !== "file") return;
  const { name } = entry.data;
  if (places.kind === "tar") {
    const member = places.members.get(name);
    if (member === undefined) throw new BadArchive("damaged", `its file ${name} is missing`);
    return yield* readRegion(member, reading);
  }
  const { path, expander } = findFile(places.path, name);
  yield* expand(readRegion({ path, offset: 0 }, reading), expander);
}

/** pg_dump adds the ending of its compression to the name that the table of contents has. */
function findFile(folder: string, name: string): { path: string; expander?: Expander } {
  const path = join(folder, name);
  if (isFile(path)) return { path };
  const expander = () => createGunzip(expanding);
  if (isFile(`${path}.gz`)) return { path: `${path}.gz`, expander };
  if (isFile(`${path}.zst`))
    return { path: `${path}.zst`, expander: () => createZstdDecompress(expanding) };
  const isLz4 = isFile(`${path}.lz4`);
  const what = isLz4 ? `its file ${name} is compressed with lz4` : `its file ${name} is missing`;
  throw new BadArchive("damaged", what);
}

/** A link could have another's file imported, a pipe would never end: pg_dump writes neither. */
function isFile(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) return found !== undefined;
  throw new BadArchive("damaged", `its ${basename(path)} is no file`);
}

async function* readRegion(region: Region, reading: DataReading): AsyncGenerator<Buffer> {
  await using bytes = await openRegion(region);
  for (let at = 0; at < bytes.size; at += readBytes) {
    reading.signal.throwIfAborted();
    const piece = await bytes.read(at, readBytes);
    reading.onRead(piece.length);
    yield piece;
  }
}

async function* readCustom(
  { path, toc, offsets }: DataPlaces & { kind: "custom" },
  entry: ArchiveEntry,
  reading: DataReading,
): AsyncGenerator<Buffer> {
  const offset = offsets.get(entry.id);
  if (offset === undefined) return;
  const { compression } = toc.head;
  const expander =
    compression === "gzip"
      ? () => createInflate(expanding)
      : compression === "zstd"
        ? () => createZstdDecompress(expanding)
        : undefined;
  const chunks = readChunks({ path, toc, offset, id: entry.id }, reading);
  yield* expander === undefined ? chunks : expand(chunks, expander);
}

/** A block of data begins with this byte and the number of its entry (pg_backup_custom.c). */
const [dataBlock, blobsBlock] = [1, 3];

interface Block {
  path: string;
  toc: Toc;
  offset: number;
  id: number;
}

async function* readChunks(
  { path, toc, offset, id }: Block,
  reading: DataReading,
): AsyncGenerator<Buffer> {
  await using bytes = await openRegion({ path, offset: 0 });
  const cursor = new ArchiveCursor(bytes, offset);
  cursor.widths = toc.widths;
  const [block, found] = [await cursor.byte(), await cursor.int()];
  if (block !== dataBlock || found !== id)
    throw cursor.bad("damaged", `the data of entry ${id} are not where they should be`);
  for (;;) {
    let length = await cursor.int();
    if (length === 0) return;
    if (length < 0 || length > cursor.left)
      throw cursor.bad("truncated", `the data of entry ${id} end too early`);
    while (length > 0) {
      reading.signal.throwIfAborted();
      const piece = await cursor.some(length);
      length -= piece.length;
      reading.onRead(piece.length);
      yield piece;
    }
  }
}

/**
 * Where each entry's data are in a custom archive. One that was written to a pipe does not tell:
 * then the blocks are gone through, without reading what is in them.
 */
export async function findBlocks(
  path: string,
  toc: Toc,
  signal: AbortSignal,
): Promise<Map<number, number>> {
  const known = toc.entries.flatMap(({ id, data }): [number, number][] =>
    data.kind === "known" ? [[id, data.offset]] : [],
  );
  const isTold = toc.entries.every(({ data }) => data.kind !== "unknown");
  if (isTold || toc.damage !== null) return new Map(known);
  await using bytes = await openRegion({ path, offset: 0 });
  const cursor = new ArchiveCursor(bytes, toc.end);
  cursor.widths = toc.widths;
  const found = new Map<number, number>();
  while (cursor.left > 0) {
    signal.throwIfAborted();
    const offset = cursor.place;
    const [block, id] = [await cursor.byte(), await cursor.int()];
    if (block === dataBlock) {
      found.set(id, offset);
      await skipChunks(cursor);
    } else if (block === blobsBlock) await skipBlobs(cursor);
    else throw cursor.bad("damaged", "a block of data is unknown");
  }
  return found;
}

/** Large objects, each behind its oid; a zero ends them. */
async function skipBlobs(cursor: ArchiveCursor): Promise<void> {
  while ((await cursor.int()) !== 0) await skipChunks(cursor);
}

async function skipChunks(cursor: ArchiveCursor): Promise<void> {
  for (;;) {
    const length = await cursor.int();
    if (length === 0) return;
    if (length < 0) throw cursor.bad("damaged", "a piece of data has no length");
    cursor.skip(length);
  }
}

type Expander = () => ReturnType<typeof createInflate> | ReturnType<typeof createZstdDecompress>;

async function* expand(
  stored: AsyncIterable<Buffer>,
  expander: Expander | undefined,
): AsyncGenerator<Buffer> {
  if (expander === undefined) return yield* stored;
  let failure: unknown;
  // An error of the source is not to be taken for one of the compression.
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      yield* stored;
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  // The error is the reader's below.
  const source = pipeline(Readable.from(watched(), { objectMode: false }), expander(), () => {});
  try {
    for await (const piece of source) yield piece as Buffer;
  } catch (cause) {
    if (failure !== undefined) throw failure;
    const { code = "", message } = cause as NodeJS.ErrnoException;
    if (!/^(Z_|ZSTD_)/.test(code)) throw cause;
    const isCut = code === "Z_BUF_ERROR";
    const what = isCut
      ? "compressed data end too early"
      : `compressed data are damaged: ${message}`;
    throw new BadArchive(isCut ? "truncated" : "damaged", what, { cause });
  } finally {
    source.destroy();
  }
}
