import type { ServerFacts, TableData } from "../engine.ts";
import { ByteBuffer } from "../export/byte-buffer.ts";
import { CellDecoder, type RowFormatter } from "../export/cells.ts";
import { CsvRows } from "../export/csv-rows.ts";
import type { Exporter, RowForm, RowWriter } from "../export/exporter.ts";
import { JsonRows } from "../export/json-rows.ts";
import { clientScript, lenientScript, sessionScript, strictScript } from "./client-script.ts";
import { type ExportColumn, exportColumns } from "./column-kinds.ts";
import { InsertRows } from "./insert-rows.ts";
import { RowSplitter } from "./row-splitter.ts";

/** Scripts for the client of MariaDB or MySQL, and rows in any form. */
export function createMysqlExporter(facts: ServerFacts): Exporter {
  const client = facts.flavour === "mariadb" ? "mariadb" : "mysql";
  const head =
    `-- Load it with: ${client} --binary-mode --comments DATABASE < FILE\n` +
    `SET NAMES utf8mb4;\n${sessionScript(facts)}`;
  return {
    scriptHead: () => Buffer.from(head),
    scriptEnd: () => Buffer.alloc(0),
    // Its proofs are queries, for a restore to look at.
    scriptOf: (object) =>
      object.section === "validation" ? Buffer.alloc(0) : clientScript(object, facts),
    openRows: (table, form) => openRows(table, form),
  };
}

function openRows(table: TableData, form: RowForm): RowWriter {
  const out = new ByteBuffer();
  const columns = exportColumns(table, form);
  if (form === "sql") return openInserts(table, columns);
  const isJson = form === "jsonl";
  const csv = new CsvRows(out, { columns: table.columns, bytesPrefix: "0x" });
  const splitter = split(table, columns, isJson ? new JsonRows(out, columns) : csv);
  return {
    head: () => (isJson ? Buffer.alloc(0) : csv.header()),
    write: (bytes, raw) => {
      splitter.push(asBuffer(bytes), raw);
      return out.take();
    },
    end: () => {
      splitter.finish();
      return Buffer.alloc(0);
    },
  };
}

function openInserts(table: TableData, columns: ExportColumn[]): RowWriter {
  const out = new ByteBuffer();
  const rows = new InsertRows(out, table, columns);
  const splitter = split(table, columns, rows);
  const isLenient = columns.some(({ errorValue }) => errorValue !== undefined);
  return {
    head: () => Buffer.from(isLenient ? lenientScript : ""),
    write: (bytes, raw) => {
      splitter.push(asBuffer(bytes), raw);
      rows.taken();
      return out.take();
    },
    end: () => {
      splitter.finish();
      rows.end();
      if (isLenient) out.addLatin1(strictScript);
      return out.take();
    },
  };
}

function split(table: TableData, columns: ExportColumn[], formatter: RowFormatter): RowSplitter {
  return new RowSplitter(table, new CellDecoder(table, columns, formatter));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
