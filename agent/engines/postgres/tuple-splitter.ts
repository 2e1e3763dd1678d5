import { type CellDecoder, cutRow, whole } from "../export/cells.ts";
import type { RawRows } from "../export/exporter.ts";
import type { TableData } from "../engine.ts";

const countBytes = 2;
const lengthBytes = 4;
/** The server's own limit of a value. */
const valueLimit = 1 << 30;

/** Takes rows in COPY's binary format (manual, COPY, "Tuples") apart, wherever they are cut. */
export class TupleSplitter {
  readonly #table: TableData;
  readonly #cells: CellDecoder;
  /** The column of the next value, -1 before a row. */
  #column = -1;
  /** Bytes that are still missing of the value. */
  #left = 0;
  #isFresh = false;
  #header = 0;
  #headerBytes = 0;

  constructor(table: TableData, cells: CellDecoder) {
    this.#table = table;
    this.#cells = cells;
  }

  push(bytes: Buffer, raw: RawRows): void {
    let row = 0;
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) at += this.#takeValue(bytes, at);
      else this.#takeHeader(bytes[at++] ?? 0);
      if (this.#column < this.#table.columns.length) continue;
      this.#column = -1;
      this.#cells.endRow();
      raw(bytes.subarray(row, at), true);
      row = at;
    }
    if (row < bytes.length) raw(bytes.subarray(row), false);
  }

  finish(): void {
    if (this.#column !== -1 || this.#headerBytes > 0) throw cutRow(this.#table);
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

  #takeHeader(byte: number): void {
    this.#header = this.#header * 256 + byte;
    this.#headerBytes++;
    if (this.#headerBytes < (this.#column === -1 ? countBytes : lengthBytes)) return;
    const header = this.#header;
    this.#header = 0;
    this.#headerBytes = 0;
    if (this.#column === -1) this.#beginRow(header);
    else this.#beginValue(header);
  }

  #beginRow(columns: number): void {
    if (columns !== this.#table.columns.length) throw cutRow(this.#table);
    this.#column = 0;
  }

  #beginValue(length: number): void {
    if (length === 0xffff_ffff) return this.#cells.null(this.#column++);
    if (length > valueLimit) throw cutRow(this.#table);
    this.#left = length;
    this.#isFresh = true;
    if (length === 0) this.#cells.piece(this.#column++, Buffer.alloc(0), whole);
  }
}
