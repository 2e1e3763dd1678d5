import { DbctlError } from "../../../core/errors.ts";

/**
 * Turns rows of length-encoded values (protocol manual, "Text Resultset Row") into the lines that
 * LOAD DATA reads with its default format: tab, newline, backslash. Pure; bytes may be cut
 * anywhere, and values of any size pass in pieces.
 */
export class RowEncoder {
  readonly #columns: number;
  #column = 0;
  /** Bytes that are still missing of the value that is being copied. */
  #left = 0;
  #header: number[] = [];
  #headerLength = 0;
  rows = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Encodes the next bytes; what it gives may be used until the next call. */
  encode(bytes: Uint8Array): Uint8Array {
    const out = this.#room(bytes.length);
    let end = 0;
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const n = Math.min(this.#left, bytes.length - at);
        end = escapeInto(out, end, bytes.subarray(at, at + n));
        at += n;
        this.#left -= n;
        if (this.#left === 0) end = this.#endValue(out, end);
        continue;
      }
      const length = this.#takeHeader(bytes[at++] ?? 0);
      if (length === undefined) continue;
      if (length === null) {
        out[end++] = backslash;
        out[end++] = 0x4e;
      }
      this.#left = length ?? 0;
      if (this.#left === 0) end = this.#endValue(out, end);
    }
    return out.subarray(0, end);
  }

  /** Throws when the bytes ended inside a row. */
  finish(): void {
    if (this.#column > 0 || this.#left > 0 || this.#header.length > 0) throw cutRow();
  }

  #output = new Uint8Array(0);

  /** A byte becomes three at most: an empty value is a length byte and a separator, NULL is `\N`. */
  #room(length: number): Uint8Array {
    if (this.#output.length < length * 3) this.#output = new Uint8Array(length * 3);
    return this.#output;
  }

  #endValue(out: Uint8Array, end: number): number {
    this.#column++;
    const isLast = this.#column === this.#columns;
    out[end] = isLast ? newline : tab;
    if (isLast) {
      this.#column = 0;
      this.rows++;
    }
    return end + 1;
  }

  /** Takes a byte of a length; null stands for NULL, undefined for "more bytes are needed". */
  #takeHeader(byte: number): number | null | undefined {
    if (this.#headerLength === 0) {
      if (byte < 0xfb) return byte;
      if (byte === 0xfb) return null;
      if (byte === 0xff) throw cutRow();
      this.#headerLength = byte === 0xfc ? 2 : byte === 0xfd ? 3 : 8;
      return undefined;
    }
    this.#header.push(byte);
    if (this.#header.length < this.#headerLength) return undefined;
    const length = this.#header.reduceRight((sum, one) => sum * 256 + one, 0);
    if (length > Number.MAX_SAFE_INTEGER) throw cutRow();
    this.#header = [];
    this.#headerLength = 0;
    return length;
  }
}

const [tab, newline, backslash] = [0x09, 0x0a, 0x5c];
/** What stands behind the backslash, or 0 for bytes that stand for themselves. */
const escapeOf = new Uint8Array(256);
escapeOf[0] = 0x30;
escapeOf[tab] = 0x74;
escapeOf[newline] = 0x6e;
escapeOf[backslash] = backslash;

function escapeInto(out: Uint8Array, start: number, bytes: Uint8Array): number {
  let end = start;
  for (let n = 0; n < bytes.length; n++) {
    const byte = bytes[n] ?? 0;
    const escape = escapeOf[byte] ?? 0;
    if (escape !== 0) {
      out[end++] = backslash;
      out[end++] = escape;
    } else out[end++] = byte;
  }
  return end;
}

function cutRow(): DbctlError {
  return new DbctlError("repository-damaged", "Cannot load rows: the bytes are no whole rows", {
    remedy: "Run dbctl verify on the backup",
  });
}
