import type { Catalog } from "./catalog.ts";
import { definition, optionList, readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";
import { type Column, columnActions, readColumns } from "./objects-columns.ts";

interface View {
  key: string;
  rowType: string;
  rule: string;
  materialized: boolean;
  populated: boolean;
  options: string | null;
  method: string | null;
  tablespace: string | null;
  query: string | null;
}

/** Views and materialized views; the latter are filled at the end, in the order of their needs. */
export async function listViews(catalog: Catalog): Promise<DraftList> {
  const columns = await readColumns(catalog.session, ["v", "m"]);
  const rows = await readRows<View>(
    catalog.session,
    `SELECT 'pg_class:' || c.oid AS key, 'pg_type:' || c.reltype AS "rowType",
      'pg_rewrite:' || r.oid AS rule, c.relkind = 'm' AS materialized,
      c.relispopulated AS populated,
      concat_ws(', ', ${optionList("c.reloptions")}, ${optionList("t.reloptions", "toast.")})
        AS options,
      quote_ident(am.amname) AS method, s.spcname AS tablespace, pg_get_viewdef(c.oid) AS query
    FROM pg_class c JOIN pg_rewrite r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
      LEFT JOIN pg_am am ON am.oid = c.relam
      LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
      LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    WHERE c.relkind IN ('v', 'm') AND c.oid >= 16384`,
  );
  const list: Required<DraftList> = { drafts: [], unsupported: [], requires: [] };
  for (const view of rows) {
    const name = catalog.own.get(view.key)?.identity;
    if (name === undefined) continue;
    const own = columns.get(view.key) ?? [];
    if (view.materialized) list.drafts.push(materializedDraft(view, name, own));
    else list.drafts.push(viewDraft(view, name, own));
    const remedy = "Restored without it; give it again with ALTER MATERIALIZED VIEW";
    if (view.tablespace !== null)
      list.unsupported.push({ kind: "tablespace of materialized view", name, remedy });
  }
  return list;
}

function viewDraft(view: View, name: string, columns: Column[]): Draft {
  const shape = columns.map(({ name: column, type, collation }) => {
    const collate = collation === null ? "" : ` COLLATE ${collation}`;
    return `CAST(NULL AS ${type})${collate} AS ${column}`;
  });
  const begin = `CREATE OR REPLACE VIEW ${name}`;
  return {
    kind: "view",
    name,
    section: "pre-data",
    statements: [`${begin}${withOptions(view)} AS\n${queryOf(view, name)}`],
    rows: [view.key, view.rowType, view.rule],
    // Options come with the query: a check option needs a table below.
    stub: [`${begin} AS\nSELECT ${shape.join(", ")}`],
  };
}

function materializedDraft(view: View, name: string, columns: Column[]): Draft {
  const { key, rowType, rule, method } = view;
  const using = method === null ? "" : ` USING ${method}`;
  const create = `CREATE MATERIALIZED VIEW ${name}${using}${withOptions(view)}`;
  const actions = columns.flatMap((column) => columnActions(column));
  return {
    kind: "materialized view",
    name,
    section: "pre-data",
    statements: [
      `${create} AS\n${queryOf(view, name)}\nWITH NO DATA`,
      ...actions.map((action) => `ALTER MATERIALIZED VIEW ${name} ${action}`),
    ],
    rows: [key, rowType, rule],
    fill: view.populated,
  };
}

function withOptions({ options }: View): string {
  return options === null || options === "" ? "" : ` WITH (${options})`;
}

function queryOf(view: View, name: string): string {
  return definition(view.query, name).replace(/;$/, "");
}
