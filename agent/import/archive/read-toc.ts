import { ArchiveCursor, type StoredOffset } from "./archive-cursor.ts";
import { BadArchive } from "./bad-archive.ts";
import type { RandomBytes } from "./random-bytes.ts";
import { DbctlError } from "../../../core/errors.ts";

// The head and the table of contents of pg_dump's archives, as pg_backup_archiver.c writes them
// (WriteHead, WriteToc).

export const archiveMagic = "PGDMP";

export type ArchiveFormat = "custom" | "tar" | "directory";
export type ArchiveCompression = "none" | "gzip" | "lz4" | "zstd";

export interface ArchiveHead {
  format: ArchiveFormat;
  /** Minor version of the format: 1.12 is 12. */
  version: number;
  compression: ArchiveCompression;
  database: string;
  serverVersion: string;
  toolVersion: string;
}

/** Texts have a character for each byte: they are in the database's own encoding. */
export interface ArchiveEntry {
  id: number;
  /** What it is: `TABLE`, `TABLE DATA`, `INDEX`, … */
  kind: string;
  name: string;
  definition: string;
  /** How pg_restore drops it; without one it has no owner of its own. */
  drop: string;
  /** `COPY … FROM stdin;`, when its rows are not INSERTs. */
  copy: string;
  schema: string;
  owner: string;
  /** Null where the archive does not say: then none is to be chosen. */
  tablespace: string | null;
  accessMethod: string | null;
  /** A table without rows of its own: its access method is that of partitions to come. */
  isPartitioned: boolean;
  dependencies: number[];
  data: EntryData;
}

export type EntryData = StoredOffset | { kind: "file"; name: string };

export interface Toc {
  head: ArchiveHead;
  entries: ArchiveEntry[];
  /** Of the archive, where the data of custom ones begins. */
  end: number;
  widths: ArchiveCursor["widths"];
  /** Why the entries are not all; null when they are. */
  damage: BadArchive | null;
}

const formats = new Map<number, ArchiveFormat>([
  [1, "custom"],
  [3, "tar"],
  [5, "directory"],
]);
const compressions: ArchiveCompression[] = ["none", "gzip", "lz4", "zstd"];
/** PostgreSQL 10 writes 1.12 or 1.13; 1.16 is that of 17 and 18. */
const [oldest, newest] = [12, 16];
/** `relkind` of such a table: `p`. */
const partitioned = 0x70;
/** An entry has some twenty numbers and texts, of five bytes or more. */
const leastEntryBytes = 50;

/** Reads all that it can: where the archive ends too early, `damage` tells. */
export async function readToc(bytes: RandomBytes, path: string): Promise<Toc> {
  const cursor = new ArchiveCursor(bytes);
  const head = await readHead(cursor, path);
  const entries: ArchiveEntry[] = [];
  let damage: BadArchive | null = null;
  try {
    const count = await cursor.int();
    if (count < 0 || count * leastEntryBytes > cursor.left)
      throw cursor.bad("damaged", `it cannot hold ${count} entries`);
    for (let n = 0; n < count; n++) entries.push(await readEntry(cursor, head));
    refuseDoubles(cursor, entries);
  } catch (error) {
    if (!(error instanceof BadArchive)) throw error;
    damage = error;
  }
  return { head, entries, end: cursor.place, widths: cursor.widths, damage };
}

async function readHead(cursor: ArchiveCursor, path: string): Promise<ArchiveHead> {
  const magic = (await cursor.bytes(5)).toString("latin1");
  if (magic !== archiveMagic) throw cursor.bad("damaged", "its table of contents is none");
  const [major, version] = [await cursor.byte(), await cursor.byte()];
  await cursor.byte();
  if (major !== 1 || version < oldest || version > newest) throw unknown(path, major, version);
  cursor.widths = { int: await cursor.byte(), offset: await cursor.byte() };
  if (![4, 8].includes(cursor.widths.int) || ![4, 8].includes(cursor.widths.offset))
    throw cursor.bad("damaged", "its numbers are of no known width");
  const format = formats.get(await cursor.byte());
  if (format === undefined) throw cursor.bad("damaged", "its format is unknown");
  const compression = await readCompression(cursor, version);
  // When it was made, as seven numbers in a zone that is not told.
  for (let n = 0; n < 7; n++) await cursor.int();
  const database = utf8((await cursor.text()) ?? "");
  const serverVersion = utf8((await cursor.text()) ?? "");
  const toolVersion = utf8((await cursor.text()) ?? "");
  return { format, version, compression, database, serverVersion, toolVersion };
}

async function readCompression(
  cursor: ArchiveCursor,
  version: number,
): Promise<ArchiveCompression> {
  if (version < 15) return (await cursor.int()) === 0 ? "none" : "gzip";
  const compression = compressions[await cursor.byte()];
  if (compression === undefined) throw cursor.bad("damaged", "its compression is unknown");
  return compression;
}

async function readEntry(
  cursor: ArchiveCursor,
  { version, format }: ArchiveHead,
): Promise<ArchiveEntry> {
  const text = async () => (await cursor.text()) ?? "";
  const id = await cursor.int();
  if (id <= 0) throw cursor.bad("damaged", `an entry has number ${id}`);
  const hasData = (await cursor.int()) !== 0;
  // Its oids in the source's catalog.
  for (let n = 0; n < 2; n++) await cursor.text();
  const [name, kind] = [await text(), await text()];
  // Its section, which follows from its kind.
  await cursor.int();
  const [definition, drop, copy, schema] = [await text(), await text(), await text(), await text()];
  const tablespace = await cursor.text();
  const accessMethod = version >= 14 ? await cursor.text() : null;
  const isPartitioned = version >= 16 && (await cursor.int()) === partitioned;
  const owner = await text();
  if ((await text()) === "true") throw cursor.bad("damaged", `table ${name} is WITH OIDS`);
  const dependencies = await readDependencies(cursor);
  const data = await readPlace(cursor, { format, hasData });
  const texts = {
    kind,
    name,
    definition,
    drop,
    copy,
    schema,
    owner,
    tablespace,
    accessMethod,
    isPartitioned,
  };
  return { id, ...texts, dependencies, data };
}

async function readDependencies(cursor: ArchiveCursor): Promise<number[]> {
  const all: number[] = [];
  for (;;) {
    const text = await cursor.text();
    if (text === null) return all;
    if (!/^[0-9]{1,10}$/.test(text)) throw cursor.bad("damaged", "a dependency is no number");
    all.push(Number(text));
  }
}

async function readPlace(
  cursor: ArchiveCursor,
  { format, hasData }: { format: ArchiveFormat; hasData: boolean },
): Promise<EntryData> {
  if (format === "custom") {
    const offset = await cursor.offset();
    return hasData ? offset : { kind: "no-data" };
  }
  const name = (await cursor.text()) ?? "";
  if (name === "" || !hasData) return { kind: "no-data" };
  // A name of its own folder, and nothing else.
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.]*$/.test(name))
    throw cursor.bad("damaged", `a file of it is named ${JSON.stringify(name)}`);
  return { kind: "file", name };
}

function refuseDoubles(cursor: ArchiveCursor, entries: ArchiveEntry[]): void {
  const ids = new Set(entries.map(({ id }) => id));
  if (ids.size !== entries.length) throw cursor.bad("damaged", "two entries have one number");
}

/** For people: most are UTF-8. */
export function utf8(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

function unknown(path: string, major: number, minor: number): DbctlError {
  return new DbctlError(
    "dump-refused",
    `Cannot import ${path}: it is an archive of version ${major}.${minor}`,
    {
      remedy: `Known are 1.${oldest} to 1.${newest}, of PostgreSQL 10 to 18: have pg_restore -f make SQL of it`,
    },
  );
}
