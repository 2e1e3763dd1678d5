import { isUtf8 } from "node:buffer";
import { DbctlError } from "../../../core/errors.ts";
import type { TableData } from "../engine.ts";
import { wholeValueBytes } from "./exporter.ts";

/** How the values of a column are written. */
export interface CellColumn {
  name: string;
  /**
   * `text`: the stored bytes are text in `charset`. `bytes`: they are no text. `decoded`: they
   * become text by `decode`, a value at a time.
   */
  kind: "text" | "bytes" | "decoded";
  /**
   * A label of the Encoding Standard; `latin1` is ISO 8859-1, which has no label there. Undefined:
   * the text is not converted.
   */
  charset: string | undefined;
  /** Bytes of a stored value to bytes of its text, both as a string of one character per byte. */
  decode?: (bytes: Buffer) => string;
  /** What the text is in JSON. */
  json: "string" | "integer" | "float" | "boolean" | "json";
}

/** One form of rows. Values come piece by piece, most of them in one. */
export interface RowFormatter {
  null(column: number): void;
  text(column: number, piece: Uint8Array, part: PartOfValue): void;
  bytes(column: number, piece: Uint8Array, part: PartOfValue): void;
  endRow(): void;
}

export interface PartOfValue {
  first: boolean;
  last: boolean;
}

/** All of a value, which most pieces are. */
export const whole: PartOfValue = { first: true, last: true };

/** A value up to this is put together again before it is written. */
const joinBytes = 1 << 20;

/** Takes stored values, decodes and converts them, and hands them to a form. */
export class CellDecoder {
  readonly #table: TableData;
  readonly #columns: CellColumn[];
  readonly #out: RowFormatter;
  #converter: TextDecoder | undefined;
  /** Pieces of a value that is not passed on yet. */
  #joined: Buffer[] = [];
  #joinedBytes = 0;
  #isPassing = false;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #row = 1n;

  constructor(table: TableData, columns: CellColumn[], out: RowFormatter) {
    this.#table = table;
    this.#columns = columns;
    this.#out = out;
  }

  null(column: number): void {
    this.#out.null(column);
  }

  piece(at: number, bytes: Buffer, part: PartOfValue): void {
    if (part.first && part.last) return this.#take(at, bytes, part);
    const joined = this.#join(bytes, part.last);
    if (joined !== undefined) this.#take(at, joined.bytes, joined.part);
  }

  #take(at: number, bytes: Buffer, part: PartOfValue): void {
    const column = this.#columns[at];
    if (column === undefined) throw new RangeError("Cannot write a value without column");
    if (column.kind === "bytes") return this.#out.bytes(at, bytes, part);
    if (column.kind === "text") return this.#text(at, bytes, part);
    const value = this.#hold(column, bytes, part);
    if (value !== undefined) this.#decode(at, column, value);
  }

  endRow(): void {
    this.#row++;
    this.#out.endRow();
  }

  /** A value is written the same wherever it was cut, unless it is large. */
  #join(bytes: Buffer, last: boolean): { bytes: Buffer; part: PartOfValue } | undefined {
    if (this.#isPassing) {
      this.#isPassing = !last;
      return { bytes, part: { first: false, last } };
    }
    this.#joined.push(Buffer.from(bytes));
    this.#joinedBytes += bytes.length;
    if (!last && this.#joinedBytes <= joinBytes) return undefined;
    const all = Buffer.concat(this.#joined);
    this.#joined = [];
    this.#joinedBytes = 0;
    this.#isPassing = !last;
    return { bytes: all, part: { first: true, last } };
  }

  #decode(at: number, { name, decode }: CellColumn, value: Buffer): void {
    let text: string | undefined;
    try {
      text = decode?.(value);
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw this.#unwritable(name, what, cause);
    }
    this.#text(at, Buffer.from(text ?? "", "latin1"), whole);
  }

  /** Text in its character set becomes UTF-8; bytes that are none are refused. */
  #text(at: number, bytes: Buffer, part: PartOfValue): void {
    const { charset, name } = this.#columns[at] ?? { charset: undefined, name: "" };
    if (charset === undefined) return this.#out.text(at, bytes, part);
    const isWhole = part.first && part.last;
    if (charset === "utf-8" && isWhole && isUtf8(bytes)) return this.#out.text(at, bytes, part);
    if (charset === "latin1")
      return this.#out.text(at, Buffer.from(bytes.toString("latin1")), part);
    if (part.first) this.#converter = new TextDecoder(charset, { fatal: true, ignoreBOM: true });
    try {
      const text = this.#converter?.decode(bytes, { stream: !part.last }) ?? "";
      this.#out.text(at, Buffer.from(text), part);
    } catch (cause) {
      throw this.#unwritable(name, `it is no text in ${charset}`, cause);
    }
  }

  /** A value that is decoded has to be whole: gives it when its last piece has come. */
  #hold({ name }: CellColumn, bytes: Buffer, { first, last }: PartOfValue): Buffer | undefined {
    if (first && last) return bytes;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > wholeValueBytes)
      throw this.#unwritable(name, `it has more than ${wholeValueBytes >> 20} MiB`);
    this.#held.push(Buffer.from(bytes));
    if (!last) return undefined;
    const value = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return value;
  }

  #unwritable(column: string, what: string, cause?: unknown): DbctlError {
    const { schema, name } = this.#table;
    const where = `column ${column} of ${schema}.${name}, row ${this.#row}`;
    return new DbctlError("object-unsupported", `Cannot write a value of ${where}: ${what}`, {
      remedy: "Leave the table out (--exclude), choose --format sql, or restore the backup",
      cause,
    });
  }
}

export function cutRow({ schema, name }: TableData): DbctlError {
  return new DbctlError(
    "repository-damaged",
    `Cannot read the rows of ${schema}.${name}: the bytes are no whole rows`,
    { remedy: "Run dbctl verify on the backup" },
  );
}
