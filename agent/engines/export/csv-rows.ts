import type { ByteBuffer } from "./byte-buffer.ts";
import { type PartOfValue, type RowFormatter, whole } from "./cells.ts";

const [quote, comma, backslash, dot] = [0x22, 0x2c, 0x5c, 0x2e];
const mustQuote = new Uint8Array(256);
for (const byte of Buffer.from('",\r\n')) mustQuote[byte] = 1;

/**
 * Rows as RFC 4180 has them, lines ended by CR LF. NULL is nothing, the empty text is `""`, as
 * PostgreSQL's `COPY … CSV` has it. Bytes are hexadecimal digits behind `bytesPrefix`.
 */
export class CsvRows implements RowFormatter {
  readonly #out: ByteBuffer;
  readonly #columns: readonly string[];
  readonly #bytesPrefix: string;

  constructor(out: ByteBuffer, options: { columns: readonly string[]; bytesPrefix: string }) {
    this.#out = out;
    this.#columns = options.columns;
    this.#bytesPrefix = options.bytesPrefix;
  }

  header(): Uint8Array {
    for (const [n, name] of this.#columns.entries()) this.text(n, Buffer.from(name), whole);
    this.endRow();
    return this.#out.take();
  }

  null(column: number): void {
    if (column > 0) this.#out.addByte(comma);
  }

  text(column: number, piece: Uint8Array, { first, last }: PartOfValue): void {
    if (first) this.null(column);
    if (first && last && !this.#needsQuotes(piece)) return this.#out.add(piece);
    if (first) this.#out.addByte(quote);
    this.#doubleQuotes(piece);
    if (last) this.#out.addByte(quote);
  }

  bytes(column: number, piece: Uint8Array, { first }: PartOfValue): void {
    if (first) this.null(column);
    if (first) this.#out.addLatin1(this.#bytesPrefix);
    addHex(this.#out, piece);
  }

  endRow(): void {
    this.#out.addLatin1("\r\n");
  }

  /** Some readers take a line with nothing but `\.` for the end. */
  #needsQuotes(piece: Uint8Array): boolean {
    if (piece.length === 0) return true;
    const isEnd = piece.length === 2 && piece[0] === backslash && piece[1] === dot;
    if (isEnd && this.#columns.length === 1) return true;
    for (let n = 0; n < piece.length; n++) if (mustQuote[piece[n] ?? 0] === 1) return true;
    return false;
  }

  #doubleQuotes(piece: Uint8Array): void {
    const { bytes, at } = this.#out.room(piece.length * 2);
    let end = at;
    for (let n = 0; n < piece.length; n++) {
      const byte = piece[n] ?? 0;
      if (byte === quote) bytes[end++] = quote;
      bytes[end++] = byte;
    }
    this.#out.advance(end - at);
  }
}

export function addHex(out: ByteBuffer, piece: Uint8Array): void {
  const { bytes, at } = out.room(piece.length * 2);
  const hex = Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString("hex");
  out.advance(bytes.write(hex, at, "latin1"));
}
