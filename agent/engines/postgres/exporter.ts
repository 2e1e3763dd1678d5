import { DbctlError } from "../../../core/errors.ts";
import type { ServerFacts, TableData } from "../engine.ts";
import { ByteBuffer } from "../export/byte-buffer.ts";
import { type CellColumn, CellDecoder, type RowFormatter } from "../export/cells.ts";
import { CsvRows } from "../export/csv-rows.ts";
import type { Exporter, RawRows, RowForm, RowWriter } from "../export/exporter.ts";
import { JsonRows } from "../export/json-rows.ts";
import { clientScript } from "./client-script.ts";
import { CopyLines, LineFilter } from "./copy-lines.ts";
import { decodeWhole } from "./decode-containers.ts";
import { LineSplitter } from "./line-splitter.ts";
import { quoteLiteral, quoteName, quoteQualified } from "./quote.ts";
import { formatOf } from "./reader.ts";
import { detailsOf } from "./tables.ts";
import { encodeText } from "./text.ts";
import { TupleSplitter } from "./tuple-splitter.ts";
import { typeDecoders } from "./type-decoders.ts";

/**
 * What the script's session must not inherit, as far as every release since 10 has it; the text of
 * rows and definitions was written under the same settings.
 */
const settings: Record<string, string> = {
  standard_conforming_strings: "on",
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  check_function_bodies: "off",
  row_security: "off",
  client_min_messages: "warning",
  xmloption: "content",
  datestyle: "ISO, MDY",
  intervalstyle: "postgres",
  timezone: "UTC",
  lc_monetary: "C",
};

/** Scripts for psql, and rows of PostgreSQL in any form. */
export function createPostgresExporter(facts: ServerFacts): Exporter {
  const own = facts.settings["encoding"] ?? "UTF8";
  // As in our sessions: elsewhere names are UTF-8, whatever the database's encoding.
  const encoding = ["SQL_ASCII", "MULE_INTERNAL"].includes(own) ? own : "UTF8";
  const all = Object.entries({ client_encoding: encoding, ...settings });
  const head = all.map(([name, value]) => `SET ${name} = ${quoteLiteral(value)};\n`);
  const path = "SELECT pg_catalog.set_config('search_path', '', false);\n\n";
  return {
    scriptHead: () => Buffer.from(head.join("") + path),
    scriptEnd: () => Buffer.alloc(0),
    scriptOf: clientScript,
    openRows: (table, form) => openRows(table, form),
  };
}

/** Takes rows apart and has them written. */
interface Splitter {
  push(bytes: Buffer, raw: RawRows): void;
  finish(): void;
}

function openRows(table: TableData, form: RowForm): RowWriter {
  const out = new ByteBuffer();
  if (form === "sql" && formatOf(table) === "text")
    return copyOf(table, out, new LineFilter(table, out));
  const columns = columnsOf(table, form);
  const split = (formatter: RowFormatter): Splitter => {
    const cells = new CellDecoder(table, columns, formatter);
    const isBinary = formatOf(table) === "binary";
    return isBinary ? new TupleSplitter(table, cells) : new LineSplitter(table, cells);
  };
  if (form === "sql") return copyOf(table, out, split(new CopyLines(out)));
  if (form === "jsonl") {
    const rows = new JsonRows(out, columns);
    return { head: () => Buffer.alloc(0), ...writing(out, split(rows)) };
  }
  const csv = new CsvRows(out, { columns: table.columns, bytesPrefix: String.raw`\x` });
  return { head: () => csv.header(), ...writing(out, split(csv)) };
}

function copyOf(table: TableData, out: ByteBuffer, splitter: Splitter): RowWriter {
  const { encoding } = detailsOf(table);
  const columns = table.columns.map(quoteName).join(", ");
  const list = columns === "" ? "" : ` (${columns})`;
  const option = encoding === "UTF8" ? "" : ` WITH (ENCODING ${quoteLiteral(encoding)})`;
  const head = `COPY ${quoteQualified(table)}${list} FROM stdin${option};\n`;
  return { head: () => encodeText(head), ...writing(out, splitter, "\\.\n\n") };
}

function writing(out: ByteBuffer, splitter: Splitter, end = ""): Omit<RowWriter, "head"> {
  return {
    write: (bytes, raw) => {
      splitter.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), raw);
      return out.take();
    },
    end: () => {
      splitter.finish();
      return Buffer.from(end);
    },
  };
}

const bytea = 17;
/** Types whose binary form is their text: name, text, json, bpchar, varchar. */
const texts = new Set([19, 25, 114, 1042, 1043]);
/** What JSON has a form of its own for, by oid of the type. */
const jsonOf = new Map<number, CellColumn["json"]>([
  [16, "boolean"],
  [20, "integer"],
  [21, "integer"],
  [23, "integer"],
  [26, "integer"],
  [700, "float"],
  [701, "float"],
  [114, "json"],
  [3802, "json"],
]);

function columnsOf(table: TableData, form: RowForm): CellColumn[] {
  const { types, encoding } = detailsOf(table);
  if (types === undefined && table.columns.length > 0) throw untyped(table);
  const charset = form === "sql" ? undefined : charsetOf(table, encoding);
  return table.columns.map((name, n) => {
    const type = types?.[n] ?? 0;
    const decoding = formatOf(table) === "binary" ? decodeBinary(type) : decodeText(type, form);
    if (decoding === undefined) throw unknownType(table, name);
    return { name, charset, json: jsonOf.get(type) ?? "string", ...decoding };
  });
}

type Decoding = Pick<CellColumn, "kind" | "decode">;

function decodeBinary(type: number): Decoding | undefined {
  if (texts.has(type)) return { kind: "text" };
  if (type === bytea) return { kind: "bytes" };
  const decoder = typeDecoders.get(type);
  if (decoder === undefined) return undefined;
  return { kind: "decoded", decode: (bytes) => decodeWhole(decoder, bytes) };
}

/** In rows of text bytes are hexadecimal digits already. */
function decodeText(type: number, form: RowForm): Decoding {
  if (type !== bytea || form !== "jsonl") return { kind: "text" };
  return { kind: "decoded", decode: hexToBase64 };
}

function hexToBase64(text: Buffer): string {
  const digits = text.toString("latin1", 2);
  if (!/^(?:[0-9a-f]{2})*$/.test(digits))
    throw new RangeError("its bytes are no hexadecimal digits");
  return Buffer.from(digits, "hex").toString("base64");
}

/**
 * Encodings (manual, "Character Set Support") by their label in the Encoding Standard, as far as
 * both mean the same. What SQL_ASCII holds has to prove to be UTF-8.
 */
const charsets: Record<string, string> = {
  UTF8: "utf-8",
  SQL_ASCII: "utf-8",
  LATIN1: "latin1",
  LATIN2: "iso-8859-2",
  LATIN9: "iso-8859-15",
  WIN1250: "windows-1250",
  WIN1251: "windows-1251",
  WIN1252: "windows-1252",
  KOI8R: "koi8-r",
};

function charsetOf({ schema, name }: TableData, encoding: string): string {
  const charset = charsets[encoding];
  if (charset !== undefined) return charset;
  throw new DbctlError(
    "object-unsupported",
    `Cannot write the rows of ${schema}.${name} as UTF-8: the database's encoding is ${encoding}`,
    { remedy: "Choose --format sql, or restore the backup and let the server convert it" },
  );
}

function untyped({ schema, name }: TableData): DbctlError {
  return new DbctlError(
    "object-unsupported",
    `Cannot write the rows of ${schema}.${name}: the backup does not tell its columns' types`,
    { remedy: "An older dbctl made it: restore it, or back up again and export that" },
  );
}

function unknownType({ schema, name }: TableData, column: string): DbctlError {
  return new DbctlError(
    "object-unsupported",
    `Cannot write the rows of ${schema}.${name}: the type of column ${column} is unknown`,
    { remedy: "Use the dbctl version that wrote the backup, or a newer one" },
  );
}
