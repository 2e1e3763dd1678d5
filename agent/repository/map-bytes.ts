import { createHash } from "node:crypto";
import { frameOverhead, maxChunkBytes } from "./chunk-codec.ts";
import { damaged, newer } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import type { ChunkRef, StreamMap } from "./map.ts";
import { mapKey } from "./object-key.ts";
import { maxPackBytes, packMagic } from "./pack.ts";
import { seal, unseal } from "./sealed-bytes.ts";

/** Bytes of a map object that a reader accepts. */
export const maxMapBytes = 256 << 20;

const magic = Buffer.from("DBCTLMP\x01");
const packIdBytes = 16;
const streamBytes = 4 + 8 + 32 + 4;
/** Bytes of a reference to a chunk. */
export const refBytes = 4 + 4 + 4 + 4 + 32;

/** Which map it is: the backup's id and the map's number. */
export interface MapName {
  id: string;
  map: number;
}

/** The object's bytes. docs/format.md, "Maps". */
export function encodeMap(
  epoch: EpochKeys,
  name: MapName,
  streams: ReadonlyMap<number, StreamMap>,
): Buffer {
  const packs = new Map<string, number>();
  for (const { chunks } of streams.values())
    for (const { pack } of chunks) if (!packs.has(pack)) packs.set(pack, packs.size);
  const plain = [
    uint32(packs.size),
    ...packs.keys().map((pack) => Buffer.from(pack, "hex")),
    uint32(streams.size),
    ...streams.entries().map(([number, stream]) => encodeStream(number, stream)),
    ...streams.values().map(({ chunks }) => encodeRefs(chunks, packs)),
  ];
  const bytes = Buffer.concat([magic, seal(epoch, sealedAs(name), Buffer.concat(plain))]);
  // What could not be read again must not be written.
  const object = mapKey({ instance: epoch.instance, id: name.id }, name.map);
  const reader = new MapReader(epoch, name, { bytes, object });
  for (const number of streams.keys()) reader.stream(number);
  return bytes;
}

function sealedAs({ id, map }: MapName) {
  return { purpose: "map" as const, context: [id, String(map)] };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function encodeStream(number: number, { bytes, hash, chunks }: StreamMap): Buffer {
  const entry = Buffer.alloc(streamBytes);
  entry.writeUInt32LE(number);
  entry.writeBigUInt64LE(BigInt(bytes), 4);
  entry.write(hash, 12, "hex");
  entry.writeUInt32LE(chunks.length, 44);
  return entry;
}

function encodeRefs(chunks: ChunkRef[], packs: ReadonlyMap<string, number>): Buffer {
  const refs = Buffer.alloc(chunks.length * refBytes);
  for (const [n, { pack, offset, stored, bytes, id }] of chunks.entries()) {
    const at = n * refBytes;
    refs.writeUInt32LE(packs.get(pack) ?? 0, at);
    refs.writeUInt32LE(offset, at + 4);
    refs.writeUInt32LE(stored, at + 8);
    refs.writeUInt32LE(bytes, at + 12);
    refs.write(id, at + 16, "hex");
  }
  return refs;
}

/** The streams of one map; references are decoded when they are asked for. */
export class MapReader {
  readonly #object: string;
  readonly #plain: Buffer;
  readonly #packs: string[] = [];
  readonly #streams = new Map<number, { at: number; refsAt: number; chunks: number }>();

  /** `object`: the map's key, for messages. */
  constructor(
    epoch: EpochKeys,
    name: MapName,
    { bytes, object }: { bytes: Buffer; object: string },
  ) {
    if (bytes.length > maxMapBytes) throw damaged(object, `it is larger than ${maxMapBytes} bytes`);
    const version = bytes[magic.length - 1];
    if (bytes.length < magic.length || bytes.compare(magic, 0, 7, 0, 7) !== 0)
      throw damaged(object, "it does not begin as a map does");
    if (version !== 1) throw newer(object, version ?? 0);
    this.#object = object;
    this.#plain = unseal(epoch, sealedAs(name), { bytes: bytes.subarray(magic.length), object });
    this.#readDirectory();
  }

  get numbers(): number[] {
    return [...this.#streams.keys()];
  }

  stream(number: number): StreamMap {
    const found = this.#streams.get(number);
    if (found === undefined) throw this.#malformed(`stream ${number} is not in it`);
    const { at, refsAt, chunks: length } = found;
    const chunks = Array.from({ length }, (_, n) => this.#ref(refsAt + n * refBytes));
    const bytes = Number(this.#plain.readBigUInt64LE(at + 4));
    const hash = this.#plain.toString("hex", at + 12, at + 44);
    const sum = chunks.reduce((total, ref) => total + ref.bytes, 0);
    if (sum !== bytes || hash !== streamHash(chunks))
      throw this.#malformed(`stream ${number} is not the sum of its chunks`);
    return { chunks, hash, bytes };
  }

  /** Every count is held against the bytes that are there before anything is made of it. */
  #readDirectory(): void {
    const plain = this.#plain;
    const packs = this.#count(0, packIdBytes);
    for (let n = 0; n < packs; n++)
      this.#packs.push(plain.toString("hex", 4 + n * packIdBytes, 4 + (n + 1) * packIdBytes));
    const start = 4 + packs * packIdBytes;
    const streams = this.#count(start, streamBytes);
    let refsAt = start + 4 + streams * streamBytes;
    for (let at = start + 4; at < start + 4 + streams * streamBytes; at += streamBytes) {
      const chunks = plain.readUInt32LE(at + 44);
      this.#streams.set(plain.readUInt32LE(at), { at, refsAt, chunks });
      refsAt += chunks * refBytes;
    }
    if (refsAt !== plain.length || this.#streams.size !== streams)
      throw this.#malformed("its directory does not fit its bytes");
  }

  #count(at: number, itemBytes: number): number {
    const room = this.#plain.length - at - 4;
    const count = room < 0 ? Infinity : this.#plain.readUInt32LE(at);
    if (count * itemBytes > room) throw this.#malformed("it is cut off");
    return count;
  }

  #ref(at: number): ChunkRef {
    const plain = this.#plain;
    const pack = this.#packs[plain.readUInt32LE(at)];
    const [offset, stored] = [plain.readUInt32LE(at + 4), plain.readUInt32LE(at + 8)];
    const bytes = plain.readUInt32LE(at + 12);
    const inPack = offset >= packMagic.length && offset + stored <= maxPackBytes;
    if (pack === undefined || !inPack || stored <= frameOverhead || bytes > maxChunkBytes)
      throw this.#malformed("a reference leads nowhere");
    return { pack, offset, stored, bytes, id: plain.toString("hex", at + 16, at + refBytes) };
  }

  #malformed(what: string) {
    return damaged(this.#object, what);
  }
}

/** SHA-256 over the ids in order, hexadecimal. */
export function streamHash(chunks: readonly ChunkRef[]): string {
  const hash = createHash("sha256");
  for (const { id } of chunks) hash.update(id, "hex");
  return hash.digest("hex");
}
