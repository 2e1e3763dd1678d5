import { type CatalogSession, optionList, readRows } from "./catalog-rows.ts";
import { quoteLiteral } from "./quote.ts";

/** A column as pg_attribute has it; names are quoted. Dropped ones are left out. */
export interface Column {
  table: string;
  name: string;
  type: string;
  collation: string | null;
  notNull: boolean;
  /** The not-null constraint with its name, 18 and newer; whether a parent alone has it. */
  notNullName: string | null;
  notNullLocal: boolean;
  identity: string;
  generated: string;
  expression: string | null;
  /** Of the expression of a generated column, which is made with its table. */
  expressionKey: string | null;
  storage: string | null;
  compression: string;
  statistics: string | null;
  options: string | null;
  foreignOptions: string | null;
  local: boolean;
  inherited: boolean;
  /** The sequence behind an identity column; a partition of 17 and newer has none of its own. */
  sequence: { key: string; name: string; options: string; logged: boolean } | null;
}

/** Columns of relations of these kinds, by the key of their relation, in their order. */
export async function readColumns(
  session: CatalogSession,
  relkinds: string[],
): Promise<Map<string, Column[]>> {
  const kinds = relkinds.map(quoteLiteral).join(", ");
  const rows = await readRows<Column>(
    session,
    `SELECT 'pg_class:' || c.oid AS table, quote_ident(a.attname) AS name,
      format_type(a.atttypid, a.atttypmod) AS type,
      CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0
        THEN format('%I.%I', cn.nspname, co.collname) END AS collation,
      a.attnotnull AND coalesce(nn.convalidated, true) AS "notNull",
      CASE WHEN nn.conname IS NOT NULL THEN format('CONSTRAINT %I NOT NULL%s', nn.conname,
        CASE WHEN nn.connoinherit THEN ' NO INHERIT' ELSE '' END) END AS "notNullName",
      coalesce(nn.conislocal, true) AS "notNullLocal",
      coalesce(to_jsonb(a) ->> 'attidentity', '') AS identity,
      coalesce(to_jsonb(a) ->> 'attgenerated', '') AS generated,
      CASE WHEN to_jsonb(a) ->> 'attgenerated' <> '' THEN pg_get_expr(d.adbin, d.adrelid) END
        AS expression,
      CASE WHEN to_jsonb(a) ->> 'attgenerated' <> '' THEN 'pg_attrdef:' || d.oid END
        AS "expressionKey",
      CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END AS storage,
      coalesce(to_jsonb(a) ->> 'attcompression', '') AS compression,
      CASE WHEN to_jsonb(a) ->> 'attstattarget' <> '-1' THEN to_jsonb(a) ->> 'attstattarget' END
        AS statistics,
      ${optionList("a.attoptions")} AS options,
      (SELECT string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ')
        FROM pg_options_to_table(a.attfdwoptions)) AS "foreignOptions",
      a.attislocal AS local, a.attinhcount > 0 AS inherited,
      ${sequenceOf} AS sequence
    FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_collation co ON co.oid = a.attcollation
      LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN pg_constraint nn
        ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum]
    WHERE c.relkind IN (${kinds}) AND c.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum`,
  );
  return Map.groupBy(rows, ({ table }) => table);
}

/** Options of a sequence as CREATE SEQUENCE takes them; `s` is pg_sequence. */
export const sequenceOptions = `format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s %s',
  s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
  CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END)`;

/** Before 15 there are no unlogged sequences: nothing to change. */
const sequenceOf = `(SELECT json_build_object('key', 'pg_class:' || sc.oid,
    'name', format('%I.%I', sn.nspname, sc.relname), 'options', ${sequenceOptions},
    'logged', CASE WHEN current_setting('server_version_num')::int < 150000
      THEN c.relpersistence ELSE sc.relpersistence END = 'p')
  FROM pg_depend p JOIN pg_class sc ON sc.oid = p.objid JOIN pg_sequence s ON s.seqrelid = sc.oid
    JOIN pg_namespace sn ON sn.oid = sc.relnamespace
  WHERE p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass
    AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'i')`;

/** The column inside CREATE TABLE. Defaults come later: they may need any other object. */
export function columnDefinition(column: Column): string {
  const parts = [column.name, column.type];
  if (column.collation !== null) parts.push(`COLLATE ${column.collation}`);
  if (column.generated !== "") {
    const kind = column.generated === "v" ? "VIRTUAL" : "STORED";
    parts.push(`GENERATED ALWAYS AS (${column.expression}) ${kind}`);
  }
  return [...parts, ...columnConstraints(column)].join(" ");
}

/** Catalog rows that are made together with the columns. */
export function columnRows(columns: Column[]): string[] {
  return columns.flatMap(({ sequence, expressionKey }) =>
    [sequence?.key, expressionKey].filter((key) => typeof key === "string"),
  );
}

/** What a column of a typed table, or one that was inherited, may say for itself. */
export function columnConstraints(column: Column): string[] {
  const { identity, sequence } = column;
  const parts: string[] = [];
  if (identity !== "" && sequence !== null) {
    const always = identity === "a" ? "ALWAYS" : "BY DEFAULT";
    parts.push(
      `GENERATED ${always} AS IDENTITY (SEQUENCE NAME ${sequence.name} ${sequence.options})`,
    );
  }
  if (column.notNull) parts.push(column.notNullName ?? "NOT NULL");
  return parts;
}

const storages: Record<string, string> = { p: "PLAIN", e: "EXTERNAL", m: "MAIN", x: "EXTENDED" };
const compressions: Record<string, string> = { p: "pglz", l: "lz4" };

/** Actions of ALTER TABLE for what CREATE TABLE does not say in every version. */
export function columnActions(column: Column): string[] {
  const { name, storage, compression, statistics, options, foreignOptions } = column;
  const actions: string[] = [];
  if (storage !== null) actions.push(`SET STORAGE ${storages[storage] ?? storage}`);
  if (compression !== "")
    actions.push(`SET COMPRESSION ${compressions[compression] ?? compression}`);
  if (statistics !== null) actions.push(`SET STATISTICS ${statistics}`);
  if (options !== null) actions.push(`SET (${options})`);
  if (foreignOptions !== null) actions.push(`OPTIONS (${foreignOptions})`);
  return actions.map((action) => `ALTER COLUMN ${name} ${action}`);
}
