import { ByteBuffer } from "../export/byte-buffer.ts";
import { type CellDecoder, cutRow } from "../export/cells.ts";
import type { RawRows } from "../export/exporter.ts";
import type { TableData } from "../engine.ts";

const [tab, newline, backslash] = [0x09, 0x0a, 0x5c];
const nullMark = 0x4e;
/** What COPY … TO writes behind a backslash (manual, COPY, "Text Format"). */
const meaningOf = new Map(
  Object.entries({ b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, "\\": 92 }).map(
    ([letter, byte]): [number, number] => [letter.charCodeAt(0), byte],
  ),
);

/** Takes rows in COPY's text format apart, wherever they are cut. */
export class LineSplitter {
  readonly #table: TableData;
  readonly #cells: CellDecoder;
  readonly #value = new ByteBuffer();
  #column = 0;
  #isFresh = true;
  #isNull = false;
  #isEscaped = false;
  #inRow = false;

  constructor(table: TableData, cells: CellDecoder) {
    this.#table = table;
    this.#cells = cells;
  }

  push(bytes: Buffer, raw: RawRows): void {
    let row = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      this.#inRow = true;
      if (this.#isEscaped) this.#takeEscape(byte);
      else if (byte === backslash) this.#isEscaped = true;
      else if (byte === tab || byte === newline) this.#endValue();
      else this.#takeByte(byte);
      if (byte !== newline) continue;
      this.#endRow();
      raw(bytes.subarray(row, at + 1), true);
      row = at + 1;
    }
    if (this.#value.length > 0) this.#give(false);
    if (row < bytes.length) raw(bytes.subarray(row), false);
  }

  finish(): void {
    if (this.#inRow) throw cutRow(this.#table);
  }

  #takeByte(byte: number): void {
    if (this.#isNull) throw cutRow(this.#table);
    this.#value.addByte(byte);
  }

  #takeEscape(byte: number): void {
    this.#isEscaped = false;
    if (byte === nullMark && this.#isFresh && this.#value.length === 0) {
      this.#isNull = true;
      return;
    }
    const meaning = meaningOf.get(byte);
    if (meaning === undefined) throw cutRow(this.#table);
    this.#takeByte(meaning);
  }

  #endValue(): void {
    if (this.#column >= this.#table.columns.length) throw cutRow(this.#table);
    if (this.#isNull) this.#cells.null(this.#column);
    else this.#give(true);
    this.#column++;
    this.#isNull = false;
    this.#isFresh = true;
  }

  #give(last: boolean): void {
    this.#cells.piece(this.#column, this.#value.take(), { first: this.#isFresh, last });
    this.#isFresh = false;
  }

  #endRow(): void {
    if (this.#column !== this.#table.columns.length) throw cutRow(this.#table);
    this.#column = 0;
    this.#inRow = false;
    this.#cells.endRow();
  }
}
