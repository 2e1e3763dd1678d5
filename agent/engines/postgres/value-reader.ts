/**
 * Reads a value in the binary form of its type (the type's `…send` function in the server's
 * source). The server is not trusted: what is too short or too long is refused.
 */
export class ValueReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(count: number): Buffer {
    if (count < 0 || count > this.left) throw new RangeError("its binary form is too short");
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  u8(): number {
    return this.take(1).readUInt8();
  }

  u16(): number {
    return this.take(2).readUInt16BE();
  }

  i16(): number {
    return this.take(2).readInt16BE();
  }

  u32(): number {
    return this.take(4).readUInt32BE();
  }

  i32(): number {
    return this.take(4).readInt32BE();
  }

  i64(): bigint {
    return this.take(8).readBigInt64BE();
  }

  float4(): number {
    return this.take(4).readFloatBE();
  }

  float8(): number {
    return this.take(8).readDoubleBE();
  }

  /** A count of things of which each takes at least `size` bytes. */
  count(size: number): number {
    const count = this.i32();
    if (count < 0 || count * size > this.left) throw new RangeError("its count is wrong");
    return count;
  }

  /** Bytes up to a zero byte, as a string of one character per byte. */
  cstring(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1) throw new RangeError("a text in it has no end");
    const text = this.take(end - this.#at).toString("latin1");
    this.#at++;
    return text;
  }

  rest(): Buffer {
    return this.take(this.left);
  }

  finish(): void {
    if (this.left > 0) throw new RangeError("its binary form is too long");
  }
}

/** Gives the text that the server would give, a character per byte. Throws what is wrong with it. */
export type ValueDecoder = (value: ValueReader) => string;
