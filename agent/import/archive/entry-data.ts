import { lstatSync } from "node:fs";
import { basename, join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { BadArchive } from "./bad-archive.ts";
import { checkBlock, type DataReading, readBlock } from "./custom-blocks.ts";
import { openRegion, type Region } from "./random-bytes.ts";
import type { ArchiveEntry, Toc } from "./read-toc.ts";

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
  const { region, expander } = findData(places, entry.data.name);
  yield* expand(readRegion(region, reading), expander);
}

/** Looks whether the data of an entry are there, without expanding them. */
export async function checkEntryData(places: DataPlaces, entry: ArchiveEntry): Promise<void> {
  if (places.kind === "custom") {
    const { path, toc, offsets } = places;
    const offset = offsets.get(entry.id);
    if (offset !== undefined) await checkBlock({ path, toc, offset, id: entry.id });
  } else if (entry.data.kind === "file") findData(places, entry.data.name);
}

function findData(
  places: DataPlaces & { kind: "directory" | "tar" },
  name: string,
): { region: Region; expander?: Expander } {
  if (places.kind === "directory") {
    const { path, ...found } = findFile(places.path, name);
    return { region: { path, offset: 0 }, ...found };
  }
  const region = places.members.get(name);
  if (region === undefined) throw new BadArchive("damaged", `its file ${name} is missing`);
  return { region };
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
  const chunks = readBlock({ path, toc, offset, id: entry.id }, reading);
  yield* expander === undefined ? chunks : expand(chunks, expander);
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
