import type { ObjectStore } from "../store/object-store.ts";
import { frameOverhead, maxChunkBytes } from "./chunk-codec.ts";
import { damaged, newer } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { packKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";
import { seal, type SealedAs, unseal } from "./sealed-bytes.ts";

/** One frame of a pack. */
export interface PackEntry {
  /** 32 bytes. */
  id: Uint8Array;
  offset: number;
  stored: number;
  bytes: number;
}

/** First bytes of every pack; the eighth is the format. docs/format.md, "Packs". */
export const packMagic = Buffer.from("DBCTLPK\x01");
const endMagic = Buffer.from("DBCTLPX\x01");
const endBytes = 4 + endMagic.length;
const entryBytes = 32 + 4 + 4;

/** A pack is ended when it has reached this many bytes (or `maxPackChunks`). */
export const packBytes = 16 << 20;
export const maxPackChunks = 65_536;
export const maxPackBytes = 64 << 20;

/** What follows the frames: sealed index, its length, magic. */
export function encodePackTail(epoch: EpochKeys, pack: string, entries: PackEntry[]): Buffer {
  const index = Buffer.alloc(entries.length * entryBytes);
  for (const [n, { id, stored, bytes }] of entries.entries()) {
    index.set(id, n * entryBytes);
    index.writeUInt32LE(stored, n * entryBytes + 32);
    index.writeUInt32LE(bytes, n * entryBytes + 36);
  }
  const sealed = seal(epoch, indexOf(pack), index);
  const end = Buffer.alloc(endBytes);
  end.writeUInt32LE(sealed.length);
  end.set(endMagic, 4);
  return Buffer.concat([sealed, end]);
}

/** The pack's index, read from its tail. Every byte of the pack is accounted for. */
export async function readPackIndex(
  { store, epoch, signal }: { store: ObjectStore; epoch: EpochKeys; signal: AbortSignal },
  { pack, size }: { pack: string; size: number },
): Promise<PackEntry[]> {
  const object = packKey(epoch, pack);
  const { framesEnd, sealedBytes } = await readPackEnds(store, { object, size }, { signal });
  const range = { offset: framesEnd, length: sealedBytes };
  const bytes = await readObject(store, object, { max: sealedBytes, range, signal });
  const index = unseal(epoch, indexOf(pack), { bytes, object });
  return decodeIndex(index, { object, framesEnd });
}

/** Where the frames of a pack end and how long its sealed index is: what can be told without a key. */
export async function readPackEnds(
  store: ObjectStore,
  { object, size }: { object: string; size: number },
  { signal }: { signal: AbortSignal },
): Promise<{ framesEnd: number; sealedBytes: number }> {
  const fetch = (offset: number, length: number) =>
    readObject(store, object, { max: length, range: { offset, length }, signal });
  if (size < packMagic.length + endBytes) throw damaged(object, "it is cut off");
  checkMagic(object, await fetch(0, packMagic.length), packMagic);
  const end = await fetch(size - endBytes, endBytes);
  checkMagic(object, end.subarray(4), endMagic);
  const sealedBytes = end.readUInt32LE();
  const framesEnd = size - endBytes - sealedBytes;
  if (framesEnd < packMagic.length) throw damaged(object, "its index is longer than itself");
  return { framesEnd, sealedBytes };
}

function indexOf(pack: string): SealedAs {
  return { purpose: "packIndex", context: [pack] };
}

function checkMagic(object: string, bytes: Buffer, magic: Buffer): void {
  const version = bytes.readUInt8(magic.length - 1);
  if (bytes.compare(magic, 0, magic.length - 1, 0, magic.length - 1) !== 0)
    throw damaged(object, "it does not begin and end as a pack does");
  if (version !== 1) throw newer(object, version);
}

function decodeIndex(
  index: Buffer,
  { object, framesEnd }: { object: string; framesEnd: number },
): PackEntry[] {
  if (index.length % entryBytes !== 0) throw damaged(object, "its index is malformed");
  const entries: PackEntry[] = [];
  let offset = packMagic.length;
  for (let at = 0; at < index.length; at += entryBytes) {
    const stored = index.readUInt32LE(at + 32);
    const bytes = index.readUInt32LE(at + 36);
    if (stored <= frameOverhead || bytes > maxChunkBytes)
      throw damaged(object, "its index is malformed");
    entries.push({ id: index.subarray(at, at + 32), offset, stored, bytes });
    offset += stored;
  }
  if (offset !== framesEnd) throw damaged(object, "its index does not fit its frames");
  return entries;
}
