import type { TableData } from "../engine.ts";
import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { versionNumber } from "./handshake.ts";
import type { Row } from "./session.ts";
import {
  detailsToJson,
  type KeyColumn,
  rowFormat,
  type StoredType,
  type TableDetails,
} from "./table-details.ts";
import { isTable, isTransactional, type TableEntry } from "./table-list.ts";
import { chooseCodec, type ValueCodec } from "./value-codec.ts";

/** A table that can be copied, or the reason why not. */
export type TablePlan =
  | { kind: "data"; data: TableData }
  | { kind: "unsupported"; name: string; remedy: string };

/** How each table's rows are copied. Tables of other engines are judged by the snapshot. */
export async function planTables(catalog: Catalog, tables: TableEntry[]): Promise<TablePlan[]> {
  const columns = groupByTable(await readColumns(catalog));
  const keys = groupByTable(await readKeys(catalog));
  return tables
    .filter((table) => isTable(table) && isTransactional(table))
    .map((table) => {
      const own = { columns: columns.get(table.name) ?? [], keys: keys.get(table.name) ?? [] };
      return planTable(catalog, { table, ...own });
    });
}

function groupByTable(rows: Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const name = must(row, "table");
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return groups;
}

function readColumns(catalog: Catalog): Promise<Row[]> {
  return ask(
    catalog,
    `SELECT TABLE_NAME AS \`table\`, COLUMN_NAME AS name, DATA_TYPE AS dataType,
       COLUMN_TYPE AS columnType, CHARACTER_SET_NAME AS charset, EXTRA AS extra,
       GENERATION_EXPRESSION AS generation
     FROM information_schema.COLUMNS WHERE ${inSchema(catalog, "TABLE_SCHEMA")}
     ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    "list the columns",
  );
}

/** Unique keys with all their columns, in the order in which InnoDB looks for its clustered key. */
function readKeys(catalog: Catalog): Promise<Row[]> {
  return ask(
    catalog,
    `SELECT TABLE_NAME AS \`table\`, INDEX_NAME AS \`index\`, COLUMN_NAME AS name,
       NULLABLE AS nullable, SUB_PART AS prefix, COLLATION AS direction
     FROM information_schema.STATISTICS WHERE ${inSchema(catalog, "TABLE_SCHEMA")}
     AND NON_UNIQUE = 0 AND INDEX_TYPE = 'BTREE'
     ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`,
    "list the keys",
  );
}

interface TableRows {
  table: TableEntry;
  columns: Row[];
  keys: Row[];
}

function planTable(catalog: Catalog, { table, columns, keys }: TableRows): TablePlan {
  const { name } = table;
  const history = table.type === "SYSTEM VERSIONED";
  if (history && versionNumber(catalog.session.greeting.version) < 1011)
    return {
      kind: "unsupported",
      name,
      remedy: "Its history can be loaded by MariaDB 10.11+ only",
    };
  const copied = columns.filter((row) => !isGenerated(row)).map((row) => must(row, "name"));
  const codecs: ValueCodec[] = [];
  const types: StoredType[] = [];
  for (const row of columns.filter((one) => !isGenerated(one))) {
    const codec = codecOf(catalog, row);
    if (codec === undefined) return { kind: "unsupported", name, remedy: typeRemedy(row) };
    codecs.push(codec);
    types.push(typeOf(row));
  }
  if (copied.length === 0)
    return { kind: "unsupported", name, remedy: "Give it a column that is not generated" };
  if (history) {
    const period = periodColumns(columns);
    if (period === undefined)
      return { kind: "unsupported", name, remedy: "Use timestamps for its system versions" };
    copied.push(...period);
    codecs.push({ codec: "plain" }, { codec: "plain" });
    types.push({ type: "timestamp", charset: null }, { type: "timestamp", charset: null });
  }
  const details = { codecs, types, history, ...chooseKey(columns, keys, history) };
  const data = { schema: catalog.database, name, columns: copied, format: rowFormat };
  return { kind: "data", data: { ...data, details: detailsToJson(details) } };
}

/** `DEFAULT_GENERATED` of MySQL is no generated column. */
function isGenerated(row: Row): boolean {
  return /\b(VIRTUAL|STORED|PERSISTENT) GENERATED\b/i.test(row["extra"] ?? "");
}

function codecOf({ isMysql }: Catalog, row: Row): ValueCodec | undefined {
  const [dataType, columnType] = [must(row, "dataType"), must(row, "columnType")];
  return chooseCodec({ dataType: dataType.toLowerCase(), columnType, isMysql });
}

function typeOf(row: Row): StoredType {
  return { type: must(row, "dataType").toLowerCase(), charset: row["charset"] ?? null };
}

function typeRemedy(row: Row): string {
  return `Column ${must(row, "name")} is of type ${must(row, "columnType")}, which is not supported`;
}

/** The columns of SYSTEM_TIME: named ones, or those that every versioned table has. */
function periodColumns(columns: Row[]): [string, string] | undefined {
  const find = (what: string) => columns.find((row) => row["generation"] === what);
  const [start, end] = [find("ROW START"), find("ROW END")];
  if (start === undefined && end === undefined) return ["row_start", "row_end"];
  if (start === undefined || end === undefined) return undefined;
  if (must(start, "dataType") !== "timestamp") return undefined;
  return [must(start, "name"), must(end, "name")];
}

type ChosenKey = Pick<TableDetails, "order" | "key" | "index">;

/** The primary key, else the first unique key without NULLs: what InnoDB clusters rows by. */
function chooseKey(columns: Row[], keys: Row[], history: boolean): ChosenKey {
  const indexes = Map.groupBy(keys, (row) => must(row, "index"));
  for (const [index, parts] of indexes) {
    const usable = parts.every((part) => part["name"] !== null && part["nullable"] !== "YES");
    if (!usable || parts.some((part) => part["prefix"] !== null)) continue;
    const order = parts.map((part) => must(part, "name"));
    const ascending = parts.every((part) => part["direction"] === "A");
    const key = order.map((name) => keyColumn(columns, name));
    const cuttable = !history && ascending && key.every((column) => column !== undefined);
    return { order, index, key: cuttable ? key.filter((column) => column !== undefined) : null };
  }
  return { order: [], index: null, key: null };
}

const keyKinds: Record<string, "integer" | "plain" | "binary"> = {
  tinyint: "integer",
  smallint: "integer",
  mediumint: "integer",
  int: "integer",
  bigint: "integer",
  decimal: "plain",
  date: "plain",
  datetime: "plain",
  timestamp: "plain",
  binary: "binary",
  varbinary: "binary",
};

/** How a column's values are compared with literals; undefined when that is not known to be exact. */
function keyColumn(columns: Row[], name: string): KeyColumn | undefined {
  const row = columns.find((one) => one["name"] === name);
  const dataType = row?.["dataType"] ?? "";
  const charset = row?.["charset"];
  if ((dataType === "char" || dataType === "varchar") && typeof charset === "string")
    return { name, kind: "text", charset };
  const kind = keyKinds[dataType];
  return kind === undefined ? undefined : { name, kind };
}
