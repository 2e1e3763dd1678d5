import type { Catalog } from "./catalog.ts";
import { type CatalogSession, definition, optionList, readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";
import {
  type Column,
  columnActions,
  columnConstraints,
  columnDefinition,
  columnRows,
  readColumns,
} from "./objects-columns.ts";
import { attachStatements, type Descent, descentColumns } from "./table-parents.ts";

interface Table extends Descent {
  key: string;
  kind: string;
  rowType: string;
  persistence: string;
  options: string | null;
  method: string | null;
  tablespace: string | null;
  partitionKey: string | null;
  ofType: string | null;
  replica: string;
  hasOids: boolean;
}

/** Tables, partitioned ones included, with their columns; defaults apart, since nobody needs them. */
export async function listTables(catalog: Catalog): Promise<DraftList> {
  const columns = await readColumns(catalog.session, ["r", "p", "f", "v"]);
  const list: Required<DraftList> = { drafts: [], unsupported: [], requires: [] };
  for (const table of await readTables(catalog.session)) {
    const row = catalog.own.get(table.key);
    if (row === undefined) continue;
    const own = columns.get(table.key) ?? [];
    list.drafts.push(tableDraft(table, row.identity, { own, all: columns }));
    const remedy = `Restored without it; give it again with ALTER TABLE`;
    if (table.tablespace !== null)
      list.unsupported.push({ kind: "tablespace of table", name: row.identity, remedy });
    if (table.hasOids)
      list.unsupported.push({ kind: "oids of table", name: row.identity, remedy: oidsRemedy });
    if (table.parents.some(({ detaching }) => detaching))
      list.unsupported.push({
        kind: "partition being detached",
        name: row.identity,
        remedy: "Finish it with ALTER TABLE … DETACH PARTITION … FINALIZE",
      });
  }
  list.drafts.push(...(await listDefaults(catalog)));
  return list;
}

const oidsRemedy = "Releases since 12 have no WITH OIDS: give the table a column instead";

function readTables(session: CatalogSession): Promise<Table[]> {
  return readRows(
    session,
    `SELECT 'pg_class:' || c.oid AS key, c.relkind AS kind, 'pg_type:' || c.reltype AS "rowType",
      c.relpersistence AS persistence,
      concat_ws(', ', ${optionList("c.reloptions")}, ${optionList("t.reloptions", "toast.")})
        AS options,
      quote_ident(am.amname) AS method, s.spcname AS tablespace,
      CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS "partitionKey",
      CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS "ofType",
      c.relreplident AS replica,
      coalesce((to_jsonb(c) ->> 'relhasoids')::boolean, false) AS "hasOids",
      ${descentColumns}
    FROM pg_class c
      LEFT JOIN pg_am am ON am.oid = c.relam
      LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
      LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384`,
  );
}

interface Columns {
  own: Column[];
  all: Map<string, Column[]>;
}

function tableDraft(table: Table, name: string, { own, all }: Columns): Draft {
  const inherits = table.bound === null && keepsOrder(table, { own, all });
  const unlogged = table.persistence === "u" ? "UNLOGGED " : "";
  const parts = [`CREATE ${unlogged}TABLE ${name}`];
  if (table.ofType !== null) {
    const said = own.map((column) => [column.name, "WITH OPTIONS", ...columnConstraints(column)]);
    const lines = said.filter((words) => words.length > 2).map((words) => words.join(" "));
    parts.push(`OF ${table.ofType}`);
    if (lines.length > 0) parts.push(`(\n  ${lines.join(",\n  ")}\n)`);
  } else {
    const lines = own.filter(({ local }) => local || !inherits).map(columnDefinition);
    parts.push(lines.length === 0 ? "()" : `(\n  ${lines.join(",\n  ")}\n)`);
  }
  if (inherits) parts.push(`INHERITS (${table.parents.map((parent) => parent.name).join(", ")})`);
  if (table.partitionKey !== null) parts.push(`PARTITION BY ${table.partitionKey}`);
  if (table.method !== null) parts.push(`USING ${table.method}`);
  if (table.options !== null && table.options !== "") parts.push(`WITH (${table.options})`);
  const inherited = inherits ? own.filter(({ local }) => !local) : [];
  const alterations = [
    ...inherited.flatMap(overrideInherited),
    ...own.flatMap(columnActions),
    ...(table.replica === "f" ? ["REPLICA IDENTITY FULL"] : []),
    ...(table.replica === "n" ? ["REPLICA IDENTITY NOTHING"] : []),
  ].map((action) => `ALTER TABLE ONLY ${name} ${action}`);
  return {
    kind: "table",
    name,
    section: "pre-data",
    statements: [
      parts.join(" "),
      ...alterations,
      ...own.flatMap((column) => sequencePersistence(column, table)),
      ...(inherits ? [] : attachStatements(table, name)),
    ],
    rows: [table.key, table.rowType, ...columnRows(own)],
  };
}

/** Whether CREATE TABLE … INHERITS gives the columns as they are, in the order they have. */
function keepsOrder(table: Table, { own, all }: Columns): boolean {
  if (table.parents.length === 0) return false;
  if (own.some(({ local, sequence }) => !local && sequence !== null)) return false;
  // Before 16 such a column could not say its expression again.
  if (own.some((column) => column.inherited && column.local && column.generated !== ""))
    return false;
  const names = new Set<string>();
  for (const parent of table.parents)
    for (const column of all.get(parent.key) ?? []) names.add(column.name);
  for (const column of own) if (column.local) names.add(column.name);
  return [...names].join() === own.map(({ name }) => name).join();
}

/** An inherited column may have lost or changed what it got from its parent. */
function overrideInherited(column: Column): string[] {
  const { name, generated, notNull, notNullName, notNullLocal } = column;
  const actions = generated === "" ? [`ALTER COLUMN ${name} DROP DEFAULT`] : [];
  if (!notNull || !notNullLocal) return actions;
  if (notNullName === null) return [...actions, `ALTER COLUMN ${name} SET NOT NULL`];
  return [
    ...actions,
    `ADD ${notNullName.replace(/NOT NULL( NO INHERIT)?$/, `NOT NULL ${name}$1`)}`,
  ];
}

function sequencePersistence({ sequence }: Column, table: Table): string[] {
  if (sequence === null || sequence.logged === (table.persistence === "p")) return [];
  return [`ALTER SEQUENCE ${sequence.name} SET ${sequence.logged ? "LOGGED" : "UNLOGGED"}`];
}

interface Default {
  key: string;
  table: string;
  column: string;
  expression: string | null;
}

/**
 * Defaults of columns, of views too. A generated column's expression is part of its table. All
 * others name no column, and are printed without their table: with 1,600 columns, giving it makes
 * each expression take the server 3 ms.
 */
async function listDefaults(catalog: Catalog): Promise<Draft[]> {
  const rows = await readRows<Default>(
    catalog.session,
    `SELECT 'pg_attrdef:' || d.oid AS key, 'pg_class:' || d.adrelid AS table,
      quote_ident(a.attname) AS column, pg_get_expr(d.adbin, 0) AS expression
    FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.oid >= 16384 AND coalesce(to_jsonb(a) ->> 'attgenerated', '') = ''`,
  );
  const own = rows.filter(({ key }) => catalog.own.has(key));
  return own.map(({ key, table, column, expression }) => {
    const relation = catalog.own.get(table)?.identity ?? table;
    const name = `${relation}.${column}`;
    const value = definition(expression, name);
    return {
      kind: "default",
      name,
      section: "pre-data",
      statements: [`ALTER TABLE ONLY ${relation} ALTER COLUMN ${column} SET DEFAULT ${value}`],
      rows: [key],
    };
  });
}
