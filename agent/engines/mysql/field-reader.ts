import { protocolViolated } from "./server-error.ts";

/** Reads the fields of one packet, in order; every length is checked against what is there. */
export class FieldReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw protocolViolated("a packet ended too early");
    const field = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return field;
  }

  uint(bytes: 1 | 2 | 3 | 4): number {
    return this.take(bytes).readUIntLE(0, bytes);
  }

  /** Length-encoded integer; undefined stands for NULL (0xfb). */
  lengthOrNull(): number | undefined {
    const first = this.uint(1);
    if (first < 0xfb) return first;
    if (first === 0xfb) return undefined;
    if (first === 0xfc) return this.uint(2);
    if (first === 0xfd) return this.uint(3);
    if (first === 0xff) throw protocolViolated("a length begins with 0xff");
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw protocolViolated("a length is too large");
    return Number(value);
  }

  length(): number {
    const length = this.lengthOrNull();
    if (length === undefined) throw protocolViolated("a length is missing");
    return length;
  }

  /** Length-encoded bytes, or null. */
  value(): Buffer | null {
    const length = this.lengthOrNull();
    return length === undefined ? null : this.take(length);
  }

  /** Bytes up to a NUL, which is taken too; or up to the end when there is none. */
  untilNul(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1) return this.rest();
    const field = this.take(end - this.#at);
    this.#at += 1;
    return field;
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }
}
