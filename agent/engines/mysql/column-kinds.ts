import { DbctlError } from "../../../core/errors.ts";
import type { TableData } from "../engine.ts";
import type { CellColumn } from "../export/cells.ts";
import type { RowForm } from "../export/exporter.ts";
import { shortestFloat } from "../export/shortest-float.ts";
import { detailsOf, type StoredType } from "./table-details.ts";
import type { ValueCodec } from "./value-codec.ts";

const kinds = {
  integer: "tinyint smallint mediumint int bigint year",
  decimal: "decimal",
  float: "float double",
  bit: "bit",
  bytes:
    "binary varbinary tinyblob blob mediumblob longblob geometry point linestring polygon " +
    "multipoint multilinestring multipolygon geometrycollection geomcollection",
  ascii: "date time datetime timestamp",
  text: "char varchar tinytext text mediumtext longtext enum set json uuid inet4 inet6",
} as const;
type Kind = keyof typeof kinds;

const kindOf = new Map(
  Object.entries(kinds).flatMap(([kind, types]) =>
    types.split(" ").map((type): [string, Kind] => [type, kind as Kind]),
  ),
);

/** How a column's values are written in SQL. */
export type LiteralKind = "number" | "text" | "ascii" | "bytes";

export interface ExportColumn extends CellColumn {
  literal: LiteralKind;
  /** What stands for the error value of an ENUM. */
  errorValue: Buffer | undefined;
}

/** Columns of a table as rows in this form show them; `object-unsupported` when one cannot be. */
export function exportColumns(table: TableData, form: RowForm): ExportColumn[] {
  const { codecs, types } = detailsOf(table);
  if (types === undefined || types.length !== table.columns.length) throw untyped(table);
  return table.columns.map((name, n) => {
    const [type, codec] = [types[n], codecs[n]];
    const kind = kindOf.get(type?.type ?? "");
    if (type === undefined || codec === undefined || kind === undefined)
      throw unknownType({ table, name, type: type?.type ?? "unknown" });
    const errorValue = codec.codec === "enum" ? Buffer.from(codec.zero) : undefined;
    const literal = literalOf(kind, type);
    if (form === "sql")
      return { name, kind: rawKind(kind), charset: undefined, json: "string", literal, errorValue };
    const charset = kind === "text" ? charsetOf(table, { name, type }) : undefined;
    return { name, charset, json: jsonOf(kind, type), literal, errorValue, ...decode(kind, codec) };
  });
}

function rawKind(kind: Kind): "bytes" | "text" {
  return kind === "bytes" || kind === "bit" ? "bytes" : "text";
}

function literalOf(kind: Kind, { charset }: StoredType): LiteralKind {
  if (kind === "bytes" || kind === "bit") return "bytes";
  if (kind === "ascii") return "text";
  if (kind !== "text") return "number";
  if (charset === null || charset.startsWith("utf8") || charset === "ascii") return "text";
  return charset === "latin1" ? "ascii" : "bytes";
}

function jsonOf(kind: Kind, { type }: StoredType): CellColumn["json"] {
  if (kind === "integer" || kind === "bit") return "integer";
  if (kind === "float") return "float";
  return type === "json" ? "json" : "string";
}

function decode(kind: Kind, codec: ValueCodec): Pick<CellColumn, "kind" | "decode"> {
  if (kind === "bytes") return { kind: "bytes" };
  if (kind === "bit") return { kind: "decoded", decode: decodeBits };
  if (codec.codec === "float") return { kind: "decoded", decode: decodeFloat };
  if (codec.codec !== "enum") return { kind: "text" };
  const { zero } = codec;
  const decodeLabel = (bytes: Buffer) => {
    const label = bytes.toString("latin1");
    return label === zero ? "" : label;
  };
  return { kind: "decoded", decode: decodeLabel };
}

function decodeBits(bytes: Buffer): string {
  return String(BigInt(`0x${bytes.toString("hex") || "0"}`));
}

/** It was read as a DOUBLE: all its digits, of which the first are the FLOAT's. */
function decodeFloat(bytes: Buffer): string {
  const text = bytes.toString("latin1");
  const value = Number(text);
  return value === 0 || !Number.isFinite(value) ? text : shortestFloat(Math.fround(value));
}

/** Character sets by their label in the Encoding Standard, as far as both mean the same. */
const charsets: Record<string, string> = {
  utf8mb4: "utf-8",
  utf8mb3: "utf-8",
  utf8: "utf-8",
  ascii: "utf-8",
  latin1: "windows-1252",
  ucs2: "utf-16be",
  utf16: "utf-16be",
  utf16le: "utf-16le",
};

function charsetOf(
  { schema, name: table }: TableData,
  { name, type }: { name: string; type: StoredType },
): string {
  const charset = charsets[type.charset ?? "utf8mb4"];
  if (charset !== undefined) return charset;
  throw new DbctlError(
    "object-unsupported",
    `Cannot write column ${name} of ${schema}.${table} as UTF-8: its character set is ${type.charset}`,
    { remedy: "Choose --format sql, leave the table out (--exclude), or restore the backup" },
  );
}

function untyped({ schema, name }: TableData): DbctlError {
  return new DbctlError(
    "object-unsupported",
    `Cannot write the rows of ${schema}.${name}: the backup does not tell its columns' types`,
    { remedy: "An older dbctl made it: restore it, or back up again and export that" },
  );
}

function unknownType({ table, name, type }: { table: TableData; name: string; type: string }) {
  return new DbctlError(
    "object-unsupported",
    `Cannot write column ${name} of ${table.schema}.${table.name}: its type is ${type}`,
    { remedy: "Leave the table out (--exclude), or restore the backup" },
  );
}
