import { protocolViolated } from "./server-error.ts";

export interface Packet {
  sequence: number;
  payload: Buffer;
}

/** Nothing but rows of tables may be larger, and those never pass through here. */
const packetLimit = 64 << 20;
const largestPiece = 0xffffff;

/**
 * Cuts bytes into packets (protocol manual, "MySQL Packets"), joining those of 2^24-1 bytes with
 * what follows. Pure; packets are cut only when asked for, so that unread bytes can be taken.
 */
export class PacketReader {
  #chunks: Buffer[] = [];
  #length = 0;
  #pieces: Buffer[] = [];
  #piecesLength = 0;

  /** Bytes that no packet was cut from yet. */
  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next whole packet, or undefined when more bytes are needed. `limit`: bytes it may have. */
  next(limit = packetLimit): Packet | undefined {
    while (this.#length >= 4) {
      const header = this.#front(4);
      const size = header.readUIntLE(0, 3);
      if (this.#piecesLength + size > limit)
        throw protocolViolated(`a packet of more than ${limit} bytes was announced`);
      if (this.#length < 4 + size) return undefined;
      const front = this.#front(4 + size);
      this.#drop(4 + size);
      this.#pieces.push(front.subarray(4, 4 + size));
      this.#piecesLength += size;
      if (size === largestPiece) continue;
      return { sequence: front.readUInt8(3), payload: this.#takePieces() };
    }
    return undefined;
  }

  /** Gives away all bytes that no packet was cut from. */
  takeRest(): Buffer {
    const rest = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#length = 0;
    return rest;
  }

  #takePieces(): Buffer {
    const [only = Buffer.alloc(0)] = this.#pieces;
    const payload = this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#piecesLength = 0;
    return payload;
  }

  /** The first chunk, made to hold `size` bytes at least. */
  #front(size: number): Buffer {
    const first = this.#chunks[0] ?? Buffer.alloc(0);
    if (first.length >= size) return first;
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  #drop(size: number): void {
    const rest = (this.#chunks[0] ?? Buffer.alloc(0)).subarray(size);
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    this.#length -= size;
  }
}
