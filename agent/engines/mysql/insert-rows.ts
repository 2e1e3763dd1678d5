import { isUtf8 } from "node:buffer";
import type { TableData } from "../engine.ts";
import { addEscaped, type ByteBuffer, escapeTable } from "../export/byte-buffer.ts";
import { cutRow, type PartOfValue, type RowFormatter } from "../export/cells.ts";
import { addHex } from "../export/csv-rows.ts";
import type { ExportColumn } from "./column-kinds.ts";
import { quoteName } from "./quote.ts";

const escapes = escapeTable({
  "\0": "0",
  "\n": "n",
  "\r": "r",
  "\u001a": "Z",
  "'": "'",
  "\\": "\\",
});
const number = /^[-+0-9.eE]+$/;
const negativeZero = /^-[0.]+$/;

/** A statement is ended when it has grown to this; a row is never split. */
const statementBytes = 256 << 10;

/**
 * Rows as INSERT statements. Each value is a literal that makes exactly the stored one: bytes, and
 * text that is not plain in the column's own character set, are `_binary x'…'`, which the server
 * takes as they are.
 */
export class InsertRows implements RowFormatter {
  readonly #out: ByteBuffer;
  readonly #table: TableData;
  readonly #columns: ExportColumn[];
  readonly #begin: Buffer;
  /** Bytes of the statement that has begun; 0 between statements. */
  #statement = 0;
  #seen = 0;

  constructor(out: ByteBuffer, table: TableData, columns: ExportColumn[]) {
    this.#out = out;
    this.#table = table;
    this.#columns = columns;
    const names = table.columns.map(quoteName).join(", ");
    this.#begin = Buffer.from(`INSERT INTO ${quoteName(table.name)} (${names}) VALUES\n`);
  }

  null(column: number): void {
    this.#separate(column);
    this.#out.addLatin1("NULL");
  }

  text(column: number, piece: Uint8Array, part: PartOfValue): void {
    const { literal, errorValue } = this.#columns[column] ?? {};
    if (!part.first || !part.last) return this.bytes(column, piece, part);
    if (errorValue?.equals(piece) === true) {
      this.#separate(column);
      return this.#out.addByte(0x30);
    }
    if (literal === "number") return this.#number(column, piece);
    const isPlain = literal === "text" ? isUtf8(piece) : literal === "ascii" && isAscii(piece);
    if (!isPlain) return this.bytes(column, piece, part);
    this.#separate(column);
    this.#out.addByte(0x27);
    addEscaped(this.#out, piece, escapes);
    this.#out.addByte(0x27);
  }

  bytes(column: number, piece: Uint8Array, { first, last }: PartOfValue): void {
    if (first) {
      this.#separate(column);
      this.#out.addLatin1("_binary x'");
    }
    addHex(this.#out, piece);
    if (last) this.#out.addByte(0x27);
  }

  endRow(): void {
    this.#out.addByte(0x29);
    this.#count();
    if (this.#statement >= statementBytes) this.end();
  }

  /** Ends the statement that has begun, if there is one. */
  end(): void {
    if (this.#statement === 0) return;
    this.#out.addLatin1(";\n");
    this.#statement = 0;
    this.#seen = this.#out.length;
  }

  /** What was written is about to be taken out of the buffer. */
  taken(): void {
    this.#count();
    this.#seen = 0;
  }

  #count(): void {
    this.#statement += this.#out.length - this.#seen;
    this.#seen = this.#out.length;
  }

  #separate(column: number): void {
    if (column > 0) return this.#out.addByte(0x2c);
    if (this.#statement === 0) this.#out.add(this.#begin);
    else this.#out.addLatin1(",\n");
    this.#out.addByte(0x28);
  }

  #number(column: number, piece: Uint8Array): void {
    const text = Buffer.from(piece).toString("latin1");
    if (!number.test(text)) throw cutRow(this.#table);
    this.#separate(column);
    this.#out.addLatin1(text);
    // Without an exponent it would be an integer, which has no negative zero.
    if (negativeZero.test(text)) this.#out.addLatin1("e0");
  }
}

function isAscii(piece: Uint8Array): boolean {
  return piece.every((byte) => byte < 0x80);
}
