import { addEscaped, type ByteBuffer, escapeTable } from "../export/byte-buffer.ts";
import { cutRow, type PartOfValue, type RowFormatter } from "../export/cells.ts";
import { addHex } from "../export/csv-rows.ts";
import type { RawRows } from "../export/exporter.ts";
import type { TableData } from "../engine.ts";

const [tab, newline, backslash, dot] = [0x09, 0x0a, 0x5c, 0x2e];
const escapes = escapeTable({
  "\b": "b",
  "\f": "f",
  "\n": "n",
  "\r": "r",
  "\t": "t",
  "\v": "v",
  "\\": "\\",
});

/** Rows in COPY's text format (manual, COPY, "Text Format"). */
export class CopyLines implements RowFormatter {
  readonly #out: ByteBuffer;

  constructor(out: ByteBuffer) {
    this.#out = out;
  }

  null(column: number): void {
    this.#separate(column);
    this.#out.addLatin1(String.raw`\N`);
  }

  text(column: number, piece: Uint8Array, { first }: PartOfValue): void {
    if (first) this.#separate(column);
    addEscaped(this.#out, piece, escapes);
  }

  bytes(column: number, piece: Uint8Array, { first }: PartOfValue): void {
    if (first) {
      this.#separate(column);
      this.#out.addLatin1(String.raw`\\x`);
    }
    addHex(this.#out, piece);
  }

  endRow(): void {
    this.#out.addByte(newline);
  }

  #separate(column: number): void {
    if (column > 0) this.#out.addByte(tab);
  }
}

/**
 * Lets lines through as the server has written them. One that begins with `\.` would end the data,
 * and psql would read commands behind it: no server writes that.
 */
export class LineFilter {
  readonly #table: TableData;
  readonly #out: ByteBuffer;
  /** Bytes of the line so far; beyond two they do not matter. */
  #seen = 0;
  #startsEscaped = false;

  constructor(table: TableData, out: ByteBuffer) {
    this.#table = table;
    this.#out = out;
  }

  push(bytes: Buffer, raw: RawRows): void {
    this.#out.add(bytes);
    for (let at = 0; at < bytes.length;) {
      const found = bytes.indexOf(newline, at);
      const end = found === -1 ? bytes.length : found + 1;
      this.#checkStart(bytes.subarray(at, Math.min(end, at + 2)));
      raw(bytes.subarray(at, end), found !== -1);
      if (found !== -1) this.#seen = 0;
      at = end;
    }
  }

  finish(): void {
    if (this.#seen > 0) throw cutRow(this.#table);
  }

  #checkStart(start: Uint8Array): void {
    for (const byte of start) {
      if (this.#seen === 0) this.#startsEscaped = byte === backslash;
      else if (this.#seen === 1 && this.#startsEscaped && byte === dot) throw cutRow(this.#table);
      this.#seen++;
    }
  }
}
