import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { DbctlError } from "../../core/errors.ts";
import { ChunkMemory, release } from "./chunk-memory.ts";
import { Compressor } from "./compressor.ts";
import { damaged } from "./damage.ts";
import { deriveKey, type EpochKeys } from "./epoch.ts";
import { packKey } from "./object-key.ts";

/** Bytes of a chunk; docs/format.md, "Chunks". */
export const maxChunkBytes = 4 << 20;
/** Codec (1), bytes of the chunk (4). */
const frameHeaderBytes = 5;
const tagBytes = 16;
/** What a frame adds to a chunk that does not shrink. */
export const frameOverhead = frameHeaderBytes + tagBytes;

const codecs = { raw: 0, zstd: 1 } as const;

/** A chunk's place in a pack, and what it must be. */
interface Place {
  pack: string;
  offset: number;
  /** 32 bytes. */
  id: Uint8Array;
}

/** Turns chunks of one epoch into the frames of packs and back. docs/format.md, "Chunks". */
export class ChunkCodec {
  readonly #epoch: EpochKeys;
  readonly #idKey: Uint8Array;
  readonly #context: Buffer;
  readonly #packKeys = new Map<string, Uint8Array>();
  readonly #memory = new ChunkMemory();
  readonly #compressor = new Compressor();

  constructor(epoch: EpochKeys) {
    this.#epoch = epoch;
    this.#idKey = deriveKey(epoch, "chunkId");
    const { repository, instance, epoch: name } = epoch;
    this.#context = Buffer.from(["dbctl/1", "chunk", repository, instance, name, ""].join("\n"));
  }

  /** HMAC-SHA-256 of the chunk. */
  id(chunk: Uint8Array): Buffer {
    return createHmac("sha256", this.#idKey).update(chunk).digest();
  }

  /** The chunk's frame for this place. It was opened again before it is returned. */
  seal(chunk: Uint8Array, place: Place): Buffer {
    this.#memory.note(chunk.length);
    const packed = this.#compressor.compress(chunk);
    const header = Buffer.alloc(frameHeaderBytes);
    header.writeUInt8(packed === undefined ? codecs.raw : codecs.zstd);
    header.writeUInt32LE(chunk.length, 1);
    const cipher = createCipheriv("aes-256-gcm", this.#packKey(place.pack), nonceOf(place.offset));
    cipher.setAAD(Buffer.concat([this.#context, place.id, header]));
    const sealed = cipher.update(packed ?? chunk);
    if (packed !== undefined) release(packed);
    const frame = Buffer.concat([header, sealed, cipher.final(), cipher.getAuthTag()]);
    release(sealed);
    // A fault of the compressor, the cipher or the memory must not reach the store.
    const decoded = this.#decode(frame, place);
    if (Buffer.compare(decoded, chunk) !== 0) throw misencoded();
    release(decoded);
    return frame;
  }

  /** The chunk of so many bytes. Whatever is not exactly what was sealed here is damage. */
  open(frame: Uint8Array, place: Place, bytes: number): Buffer {
    this.#memory.note(bytes);
    const object = packKey(this.#epoch, place.pack);
    const { offset } = place;
    const fault = (what: string, cause?: unknown) => damaged(object, what, { offset, cause });
    if (frame.length < frameOverhead) throw fault("a chunk is cut off");
    let chunk: Buffer;
    try {
      chunk = this.#decode(frame, place);
    } catch (cause) {
      throw fault("a chunk is not the one that was written", cause);
    }
    if (chunk.length !== bytes) throw fault("a chunk does not have the length it should have");
    if (!this.id(chunk).equals(place.id))
      throw fault("a chunk does not have the id it should have");
    return chunk;
  }

  #decode(frame: Uint8Array, { pack, offset, id }: Place): Buffer {
    const header = Buffer.from(frame.buffer, frame.byteOffset, frameHeaderBytes);
    const bytes = header.readUInt32LE(1);
    if (bytes > maxChunkBytes) throw new RangeError(`a chunk of ${bytes} bytes`);
    const key = this.#packKey(pack);
    const options = { authTagLength: tagBytes };
    const opener = createDecipheriv("aes-256-gcm", key, nonceOf(offset), options);
    opener.setAAD(Buffer.concat([this.#context, id, header]));
    opener.setAuthTag(frame.subarray(-tagBytes));
    const packed = opener.update(frame.subarray(frameHeaderBytes, -tagBytes));
    opener.final();
    const chunk = decompress(packed, { codec: header.readUInt8(), bytes });
    if (chunk !== packed) release(packed);
    if (chunk.length !== bytes) throw new RangeError(`${chunk.length} bytes instead of ${bytes}`);
    return chunk;
  }

  #packKey(pack: string): Uint8Array {
    const known = this.#packKeys.get(pack);
    if (known !== undefined) return known;
    if (this.#packKeys.size >= 256) this.#packKeys.clear();
    const key = deriveKey(this.#epoch, "pack", { salt: Buffer.from(pack, "hex") });
    this.#packKeys.set(pack, key);
    return key;
  }
}

function decompress(packed: Buffer, { codec, bytes }: { codec: number; bytes: number }): Buffer {
  if (codec === codecs.raw) return packed;
  if (codec !== codecs.zstd) throw new RangeError(`unknown codec ${codec}`);
  // With room to spare, Node does not make a second buffer when the first is just full.
  const chunkSize = bytes + 64;
  return zstdDecompressSync(packed, { chunkSize, maxOutputLength: Math.max(bytes, 1) });
}

/** A place is used once: the frame's first byte in the pack, 8 bytes little-endian, then zeros. */
function nonceOf(offset: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(BigInt(offset));
  return nonce;
}

function misencoded(): DbctlError {
  return new DbctlError("system-failed", "Cannot seal a chunk: it did not open as what it was", {
    remedy: "Test this host's memory and processor; nothing wrong was stored",
  });
}
