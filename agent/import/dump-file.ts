import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { DbctlError } from "../../core/errors.ts";
import { damagedDump } from "./refused-dump.ts";
import type { Reading, Survey } from "./statement.ts";

/** A file and how it is compressed. */
export interface DumpFile {
  path: string;
  bytes: number;
  compression: Survey["compression"];
}

const readBytes = 1 << 20;
/** What is looked at to tell formats apart; pieces of which damage takes only the last. */
const headBytes = 64 << 10;
const headPieceBytes = 4 << 10;

/** Beginnings of files: RFC 1952, RFC 8878, and the formats' own descriptions. */
const compressions: { head: string; name: "gzip" | "zstd" }[] = [
  { head: "1f8b08", name: "gzip" },
  { head: "28b52ffd", name: "zstd" },
];
const unsupported: { head: string; name: string; tool: string }[] = [
  { head: "425a68", name: "bzip2", tool: "bzip2 -d" },
  { head: "fd377a585a00", name: "xz", tool: "xz -d" },
  { head: "04224d18", name: "lz4", tool: "lz4 -d" },
  { head: "1f9d", name: "compress", tool: "uncompress" },
  { head: "504b0304", name: "zip", tool: "unzip" },
  { head: "377abcaf271c", name: "7z", tool: "7z x" },
];

/** Looks how a file is compressed. */
export async function openDumpFile(path: string): Promise<DumpFile> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
    const head = buffer.toString("hex", 0, bytesRead);
    const other = unsupported.find((one) => head.startsWith(one.head));
    if (other !== undefined) throw compressedBy(path, other);
    const known = compressions.find((one) => head.startsWith(one.head));
    return { path, bytes: size, compression: known?.name ?? "none" };
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** The first bytes of what is in the file, as many as tell formats apart. */
export async function readHead(file: DumpFile, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of readExpanded(file, { signal, pieceBytes: headPieceBytes })) {
      pieces.push(piece);
      size += piece.length;
      if (size >= headBytes) break;
    }
  } catch (error) {
    if (!(error instanceof BadStream)) throw error;
    // What is damaged further on is told by who reads all of it.
    if (size === 0) throw damagedDump(file.path, error.message);
  }
  return Buffer.concat(pieces).subarray(0, headBytes);
}

/** The compressed stream ends too early, or is none. */
export class BadStream extends Error {
  override readonly name = "BadStream";
  readonly kind: "truncated" | "damaged";

  constructor(file: DumpFile, cause: NodeJS.ErrnoException) {
    super(`the ${file.compression} stream is damaged: ${cause.message}`, { cause });
    this.kind = cause.code === "Z_BUF_ERROR" ? "truncated" : "damaged";
    if (this.kind === "truncated") this.message = `the ${file.compression} stream ends too early`;
  }
}

/** What is in the file, expanded, in pieces that are not used again. Rejects with a `BadStream`. */
export async function* readExpanded(
  file: DumpFile,
  { signal, onRead, pieceBytes = readBytes }: Reading & { pieceBytes?: number },
): AsyncGenerator<Buffer> {
  const stored = createReadStream(file.path, { highWaterMark: readBytes });
  if (onRead !== undefined) stored.on("data", (piece) => onRead(piece.length));
  const options = { chunkSize: pieceBytes };
  const expanded =
    file.compression === "gzip"
      ? createGunzip(options)
      : file.compression === "zstd"
        ? createZstdDecompress(options)
        : undefined;
  // The error is the reader's below.
  const source = expanded === undefined ? stored : pipeline(stored, expanded, () => {});
  const stop = () => source.destroy(signal.reason as Error);
  signal.throwIfAborted();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const piece of source) yield piece as Buffer;
  } catch (cause) {
    signal.throwIfAborted();
    const { code = "" } = cause as NodeJS.ErrnoException;
    if (/^(Z_|ZSTD_)/.test(code)) throw new BadStream(file, cause as NodeJS.ErrnoException);
    throw unreadable(file.path, cause);
  } finally {
    signal.removeEventListener("abort", stop);
    stored.destroy();
  }
}

function compressedBy(path: string, { name, tool }: { name: string; tool: string }): DbctlError {
  return new DbctlError("dump-refused", `Cannot import ${path}: it is compressed with ${name}`, {
    remedy: `Decompress it first (${tool}), or compress it with gzip or zstd`,
  });
}

function unreadable(path: string, cause: unknown): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (cause instanceof DbctlError || code === undefined) return cause;
  if (code === "ENOENT")
    return new DbctlError("file-missing", `Cannot import ${path}: there is no such file`, {
      remedy: "Check the path",
      cause,
    });
  return new DbctlError("store-io", `Cannot read ${path}: ${message}`, {
    remedy: "Check that the file can be read by this user, and its disk",
    cause,
  });
}
