/**
 * How the backups of one product become files that people, programs and the product's own client
 * read. No server takes part. What a backup holds came from a server that is not trusted: nothing
 * that is written may act on the client that reads it (CVE-2025-8714, CVE-2025-8715).
 */
import type { SchemaObject, TableData } from "../engine.ts";

export interface Exporter {
  /** What stands before everything else in a script: settings, no name of anything. */
  scriptHead(): Buffer;
  /** What stands at a script's end. */
  scriptEnd(): Buffer;
  /** The object's statements as the product's client reads them; `object-unsupported` if it cannot. */
  scriptOf(object: SchemaObject): Buffer;
  /** Fails with `object-unsupported` when the values of a column cannot be written in this form. */
  openRows(table: TableData, form: RowForm): RowWriter;
}

export type RowForm = "sql" | "csv" | "jsonl";

/** Writes the rows of one table. Pure: bytes in, bytes out; both may be cut anywhere. */
export interface RowWriter {
  /** What stands before the rows. */
  head(): Uint8Array;
  /**
   * The text of the next bytes; it may be used until the next call. `raw` is told the same bytes
   * row by row.
   */
  write(bytes: Uint8Array, raw: RawRows): Uint8Array;
  /** What stands after the rows. Throws `repository-damaged` when the bytes ended inside a row. */
  end(): Uint8Array;
}

/** Is told the bytes of each row, in one or more pieces; `last` ends the row. */
export type RawRows = (piece: Uint8Array, last: boolean) => void;

/** Bytes of a value at most that is not written piece by piece. */
export const wholeValueBytes = 64 << 20;
