import type { TableData } from "../engine.ts";
import { type CellDecoder, cutRow, whole } from "../export/cells.ts";
import type { RawRows } from "../export/exporter.ts";

const nullMark = 0xfb;
/** Bytes of the length behind its first byte (protocol manual, "Length-Encoded Integer"). */
const lengthBytes = new Map([
  [0xfc, 2],
  [0xfd, 3],
  [0xfe, 8],
]);

/** Takes rows of length-encoded values apart, wherever they are cut. */
export class RowSplitter {
  readonly #table: TableData;
  readonly #cells: CellDecoder;
  #column = 0;
  /** Bytes that are still missing of the value. */
  #left = 0;
  #isFresh = false;
  #inRow = false;
  /** Bytes of a length that are still missing, and its value so far, the lowest byte first. */
  #headerLeft = 0;
  #header = 0;
  #headerUnit = 1;

  constructor(table: TableData, cells: CellDecoder) {
    this.#table = table;
    this.#cells = cells;
  }

  push(bytes: Buffer, raw: RawRows): void {
    let row = 0;
    for (let at = 0; at < bytes.length;) {
      this.#inRow = true;
      if (this.#left > 0) at += this.#takeValue(bytes, at);
      else this.#takeLength(bytes[at++] ?? 0);
      if (this.#column < this.#table.columns.length) continue;
      this.#column = 0;
      this.#inRow = false;
      this.#cells.endRow();
      raw(bytes.subarray(row, at), true);
      row = at;
    }
    if (row < bytes.length) raw(bytes.subarray(row), false);
  }

  finish(): void {
    if (this.#inRow) throw cutRow(this.#table);
  }

  #takeValue(bytes: Buffer, at: number): number {
    const piece = bytes.subarray(at, at + this.#left);
    this.#left -= piece.length;
    const last = this.#left === 0;
    this.#cells.piece(this.#column, piece, { first: this.#isFresh, last });
    this.#isFresh = false;
    if (last) this.#column++;
    return piece.length;
  }

  #takeLength(byte: number): void {
    if (this.#headerLeft > 0) {
      this.#header += byte * this.#headerUnit;
      this.#headerUnit *= 256;
      if (--this.#headerLeft === 0) this.#beginValue(this.#header);
    } else if (byte === nullMark) this.#cells.null(this.#column++);
    else if (byte < nullMark) this.#beginValue(byte);
    else this.#beginLength(lengthBytes.get(byte));
  }

  #beginLength(bytes: number | undefined): void {
    if (bytes === undefined) throw cutRow(this.#table);
    this.#headerLeft = bytes;
    this.#header = 0;
    this.#headerUnit = 1;
  }

  #beginValue(length: number): void {
    if (length > valueLimit) throw cutRow(this.#table);
    this.#left = length;
    this.#isFresh = true;
    if (length === 0) this.#cells.piece(this.#column++, Buffer.alloc(0), whole);
  }
}

/** LONGBLOB and LONGTEXT hold 4 GB. */
const valueLimit = 2 ** 32;
