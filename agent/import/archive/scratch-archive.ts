import { deflateSync, zstdCompressSync } from "node:zlib";
import type { ArchiveEntry } from "./read-toc.ts";

/** What a made-up custom archive holds; what is not told is empty. */
export interface MadeEntry extends Partial<Omit<ArchiveEntry, "data">> {
  kind: string;
  rows?: string;
}

interface Made {
  version?: number;
  compression?: "none" | "gzip" | "zstd" | "lz4";
  /** Like one that was written to a pipe: without offsets. */
  isPiped?: boolean;
  entries: MadeEntry[];
}

/** A custom archive as pg_dump of some release writes it, for tests. */
export function makeArchive({
  version = 14,
  compression = "none",
  isPiped = false,
  entries,
}: Made) {
  const head: Buffer[] = [Buffer.from("PGDMP"), Buffer.of(1, version, 0, 4, 8, 1)];
  if (version >= 15) head.push(Buffer.of(["none", "gzip", "lz4", "zstd"].indexOf(compression)));
  else head.push(int(compression === "none" ? 0 : -1));
  for (let n = 0; n < 7; n++) head.push(int(n));
  head.push(text("shop"), text("15.8"), text("15.9"), int(entries.length));
  const blocks = entries.map(({ rows }, n) =>
    rows === undefined ? undefined : block(n + 1, rows, compression),
  );
  const tocOf = (offsets: number[]) =>
    entries.map((entry, n) => tocEntry(entry, n + 1, { version, offset: offsets[n], isPiped }));
  const start = Buffer.concat([...head, ...tocOf(entries.map(() => 0))]).length;
  let at = start;
  const offsets = blocks.map((one) => {
    at += one?.length ?? 0;
    return at - (one?.length ?? 0);
  });
  return Buffer.concat([...head, ...tocOf(offsets), ...blocks.filter((one) => one !== undefined)]);
}

function tocEntry(
  entry: MadeEntry,
  id: number,
  {
    version,
    offset = 0,
    isPiped,
  }: { version: number; offset: number | undefined; isPiped: boolean },
): Buffer {
  const { kind, name = "t", definition = "", drop = "", copy = "", schema = "public" } = entry;
  const { owner = "", tablespace = "", accessMethod = "", isPartitioned = false, rows } = entry;
  const parts = [int(entry.id ?? id), int(rows === undefined ? 0 : 1), text("0"), text("0")];
  parts.push(text(name), text(kind), int(2));
  for (const one of [definition, drop, copy, schema, tablespace]) parts.push(text(one));
  if (version >= 14) parts.push(text(accessMethod));
  if (version >= 16) parts.push(int(isPartitioned ? 112 : 114));
  parts.push(text(owner), text("false"), text("7"), text(null));
  const state = rows === undefined ? 3 : isPiped ? 1 : 2;
  const place = Buffer.alloc(8);
  if (state === 2) place.writeBigUInt64LE(BigInt(offset));
  return Buffer.concat([...parts, Buffer.of(state), place]);
}

function block(id: number, rows: string, compression: string): Buffer {
  const plain = Buffer.from(rows, "latin1");
  const stored =
    compression === "gzip"
      ? deflateSync(plain)
      : compression === "zstd"
        ? zstdCompressSync(plain)
        : plain;
  const half = Math.ceil(stored.length / 2);
  const pieces = [stored.subarray(0, half), stored.subarray(half)].filter(
    ({ length }) => length > 0,
  );
  const chunks = pieces.flatMap((piece) => [int(piece.length), piece]);
  return Buffer.concat([Buffer.of(1), int(id), ...chunks, int(0)]);
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = value < 0 ? 1 : 0;
  bytes.writeUInt32LE(Math.abs(value), 1);
  return bytes;
}

function text(value: string | null): Buffer {
  if (value === null) return int(-1);
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([int(bytes.length), bytes]);
}
