import { stat } from "node:fs/promises";
import { DbctlError } from "../../core/errors.ts";
import { archiveFormat, openArchiveFile, openArchiveFolder } from "./archive/open-archive.ts";
import { guessDialect, looksLikeText } from "./dump-header.ts";
import { type DumpFile, openDumpFile, readHead } from "./dump-file.ts";
import { openSqlDump } from "./sql-dump.ts";
import type { Dialect, ImportSource } from "./statement.ts";

interface OpenOptions {
  /** What the script is written for, where it does not show that itself. */
  dialect?: Dialect | undefined;
  signal: AbortSignal;
}

/** Opens a foreign dump, whatever its format. */
export async function openDump(
  path: string,
  { dialect, signal }: OpenOptions,
): Promise<ImportSource> {
  if (path === "-")
    throw new DbctlError("usage", "Cannot import from stdin: a dump is read twice", {
      remedy: "Write it into a file first: all of it is looked at before any of it is run",
    });
  if (await isFolder(path)) return await openArchiveFolder({ path, signal });
  const file = await openDumpFile(path);
  const head = await readHead(file, signal);
  const format = archiveFormat(head);
  if (format !== undefined && file.compression !== "none") throw wrapped(file, format);
  if (format !== undefined) return await openArchiveFile(format, { path, signal });
  if (!looksLikeText(head)) throw unknownFormat(path, head);
  const written = guessDialect(head) ?? dialect;
  if (written === undefined) throw unknownDialect(path);
  return openSqlDump({ file, dialect: written });
}

/** What cannot be looked at is told by who opens it. */
async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

/** Data of an archive are read by their place in it. */
function wrapped({ path, compression }: DumpFile, format: string): DbctlError {
  return new DbctlError(
    "dump-refused",
    `Cannot import ${path}: it is a ${format} archive of pg_dump inside of ${compression}`,
    { remedy: `Decompress it first (${compression} -d)` },
  );
}

function unknownFormat(path: string, head: Buffer): DbctlError {
  const bytes = head.length === 0 ? "it is empty" : `it begins with ${head.toString("hex", 0, 8)}`;
  return new DbctlError("dump-refused", `Cannot import ${path}: ${bytes}, no known format`, {
    remedy:
      "Known are archives of pg_dump, and plain SQL of pg_dump, pg_dumpall, mysqldump and mariadb-dump, as it is or in gzip or zstd",
  });
}

function unknownDialect(path: string): DbctlError {
  return new DbctlError(
    "dump-refused",
    `Cannot import ${path}: it does not show which product it was written for`,
    { remedy: "Say so with --dialect postgres or --dialect mysql" },
  );
}
