import { BadArchive } from "./bad-archive.ts";
import type { RandomBytes, Region } from "./random-bytes.ts";

const blockBytes = 512;

/** Where each member of a tar file is (POSIX, pax, "ustar Interchange Format"). */
export async function listTarMembers(
  tar: RandomBytes,
  path: string,
): Promise<Map<string, Required<Region>>> {
  const members = new Map<string, Required<Region>>();
  for (let at = 0; at < tar.size;) {
    const header = await tar.read(at, blockBytes);
    // Two blocks of zeros are its end.
    if (header.length === blockBytes && header.every((byte) => byte === 0)) return members;
    const { name, size } = parseHeader(header, at);
    const offset = at + blockBytes;
    if (offset + size > tar.size)
      throw new BadArchive("truncated", `its file ${name} ends too early`, { byte: at });
    if (members.has(name)) throw new BadArchive("damaged", `it holds ${name} twice`, { byte: at });
    members.set(name, { path, offset, size });
    at = offset + Math.ceil(size / blockBytes) * blockBytes;
  }
  throw new BadArchive("truncated", "the end of the tar file is missing", { byte: tar.size });
}

/** Name and size out of a header whose checksum is right. */
export function parseHeader(header: Buffer, byte: number): { name: string; size: number } {
  if (header.length < blockBytes)
    throw new BadArchive("truncated", "a tar header ends too early", { byte });
  const sum = header.reduce((all, one, n) => all + (n >= 148 && n < 156 ? 0x20 : one), 0);
  const told = parseInt(header.toString("latin1", 148, 156), 8);
  if (sum !== told) throw new BadArchive("damaged", "a tar header has a wrong checksum", { byte });
  const name = header.toString("latin1", 0, 100).replace(/\0[^]*$/, "");
  const size = readSize(header.subarray(124, 136));
  if (!Number.isSafeInteger(size) || size < 0)
    throw new BadArchive("damaged", "a tar header has a wrong size", { byte });
  return { name, size };
}

/** Octal digits; what they cannot hold is binary, behind a byte of 0x80 (pg_backup_tar.c). */
function readSize(field: Buffer): number {
  if (field[0] !== 0x80) return parseInt(field.toString("latin1").trim(), 8);
  return Number(BigInt(`0x${field.toString("hex", 1)}`));
}

/** Whether a file begins with a tar header of an archive of pg_dump. */
export function looksLikeTar(head: Buffer): boolean {
  try {
    return parseHeader(head.subarray(0, blockBytes), 0).name === "toc.dat";
  } catch {
    return false;
  }
}
