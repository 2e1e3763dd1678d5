import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DbctlError } from "../../../core/errors.ts";
import type { ImportSource } from "../statement.ts";
import { type Archive, openArchive } from "./archive-dump.ts";
import { BadArchive } from "./bad-archive.ts";
import { findBlocks } from "./custom-blocks.ts";
import type { DataPlaces } from "./entry-data.ts";
import { openRegion, type RandomBytes, type Region } from "./random-bytes.ts";
import { archiveMagic, type ArchiveFormat, readToc, type Toc } from "./read-toc.ts";
import { listTarMembers, looksLikeTar, parseHeader } from "./tar-members.ts";

/** The archive's format by the file's first bytes; undefined when it is none of pg_dump's. */
export function archiveFormat(head: Buffer): "custom" | "tar" | undefined {
  if (head.toString("latin1", 0, archiveMagic.length) === archiveMagic) return "custom";
  return looksLikeTar(head) ? "tar" : undefined;
}

interface Opening {
  path: string;
  signal: AbortSignal;
}

/** Opens an archive file; rejects with `dump-refused` or `dump-damaged` when it has no contents. */
export async function openArchiveFile(
  format: "custom" | "tar",
  { path, signal }: Opening,
): Promise<ImportSource> {
  const { size: bytes } = await stat(path);
  if (format === "tar") return await openTar({ path, bytes });
  const toc = await readTocOf({ path, offset: 0 }, path);
  checkFormat(toc, { path, format: "custom" });
  const places = await placesOf(async () => {
    const offsets = await findBlocks(path, toc, signal);
    return { kind: "custom", path, toc, offsets };
  });
  return openArchive({ path, format: "custom", toc, places, bytes });
}

async function openTar({ path, bytes }: { path: string; bytes: number }): Promise<ImportSource> {
  await using tar = await openRegion({ path, offset: 0 });
  const places = await placesOf(async () => ({
    kind: "tar",
    members: await listTarMembers(tar, path),
  }));
  // The table of contents is the first file; it can be read also when the rest is cut off.
  const head = await tar.read(0, tarHeadBytes);
  const { size } = parseHeader(head, 0);
  const toc = await readTocOf({ path, offset: tarHeadBytes, size }, path);
  checkFormat(toc, { path, format: "tar" });
  return openArchive({ path, format: "tar", toc, places, bytes });
}

const tarHeadBytes = 512;

/** Opens a folder of pg_dump's. */
export async function openArchiveFolder({ path }: Opening): Promise<ImportSource> {
  const names = await readdir(path);
  if (!names.includes("toc.dat"))
    throw new DbctlError("dump-refused", `Cannot import ${path}: it holds no toc.dat`, {
      remedy: "Name a file, or a folder that pg_dump -Fd has written",
    });
  const found = await Promise.all(names.map((name) => lstat(join(path, name))));
  const bytes = found.reduce((sum, { size }) => sum + size, 0);
  if (found[names.indexOf("toc.dat")]?.isFile() !== true)
    throw new DbctlError("dump-refused", `Cannot import ${path}: its toc.dat is no file`, {
      remedy: "Name a folder as pg_dump -Fd has written it",
    });
  const toc = await readTocOf({ path: join(path, "toc.dat"), offset: 0 }, path);
  checkFormat(toc, { path, format: "directory" });
  const places = { kind: "directory", path } as const;
  return openArchive({ path, format: "directory", toc, places, bytes });
}

/** A head that cannot be read leaves nothing to say about the rest. */
async function readTocOf(region: Region, path: string): Promise<Toc> {
  await using bytes = await openRegion(region);
  return await tocOf(bytes, path);
}

async function tocOf(bytes: RandomBytes, path: string): Promise<Toc> {
  try {
    return await readToc(bytes, path);
  } catch (error) {
    if (!(error instanceof BadArchive)) throw error;
    throw new DbctlError("dump-damaged", `Cannot import ${path}: ${error.message}`, {
      remedy: "Make the dump again, or take an older one",
      cause: error,
    });
  }
}

async function placesOf(find: () => Promise<DataPlaces>): Promise<Archive["places"]> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof BadArchive) return error;
    throw error;
  }
}

/** Folders and tar files have the same contents: either's mark stands in both. */
function checkFormat(
  { head }: Toc,
  { path, format }: { path: string; format: ArchiveFormat },
): void {
  const isCustom = format === "custom";
  if ((head.format === "custom") === isCustom) return;
  throw new DbctlError(
    "dump-damaged",
    `Cannot import ${path}: it is a ${format} archive, and its contents are those of a ${head.format} one`,
    { remedy: "Name the file or folder as pg_dump has written it" },
  );
}
