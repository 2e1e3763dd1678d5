import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import { type Draft, type DraftList, requireRole } from "./draft.ts";
import { columnActions, columnDefinition, columnRows, readColumns } from "./objects-columns.ts";
import { attachStatements, type Descent, descentColumns } from "./table-parents.ts";

interface Foreign {
  key: string;
  role: string | null;
  kind: string;
  create: string;
  options: string | null;
}

/** Foreign-data wrappers, servers and foreign tables; user mappings where we may see them. */
export async function listForeign(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Foreign>(
    catalog.session,
    `SELECT 'pg_foreign_data_wrapper:' || oid AS key, 'foreign-data wrapper' AS kind,
      format('CREATE FOREIGN DATA WRAPPER %I%s%s', fdwname,
        ' HANDLER ' || nullif(fdwhandler, 0)::regproc,
        ' VALIDATOR ' || nullif(fdwvalidator, 0)::regproc) AS create,
      ${foreignOptions("fdwoptions")} AS options, NULL AS role
    FROM pg_foreign_data_wrapper WHERE oid >= 16384
    UNION ALL SELECT 'pg_foreign_server:' || s.oid, 'server',
      format('CREATE SERVER %I%s%s FOREIGN DATA WRAPPER %I', s.srvname,
        ' TYPE ' || quote_literal(s.srvtype), ' VERSION ' || quote_literal(s.srvversion),
        w.fdwname), ${foreignOptions("s.srvoptions")}, NULL
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
    WHERE s.oid >= 16384
    UNION ALL SELECT 'pg_user_mapping:' || umid, 'user mapping',
      format('CREATE USER MAPPING FOR %s SERVER %I',
        CASE umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname),
      ${foreignOptions("umoptions")}, CASE WHEN umuser <> 0 THEN quote_ident(usename) END
    FROM pg_user_mappings
    WHERE umoptions IS NOT NULL OR current_setting('is_superuser') = 'on'`,
  );
  const drafts = rows.flatMap(({ key, kind, create, options }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    if (name === undefined) return [];
    const statement = options === null ? create : `${create} OPTIONS (${options})`;
    return [{ kind, name, section: "pre-data", statements: [statement], rows: [key] }];
  });
  drafts.push(...(await listForeignTables(catalog)));
  const roles = rows.filter(({ key }) => catalog.own.has(key)).map(({ role }) => role);
  return { drafts, requires: roles.filter((role) => role !== null).map(requireRole) };
}

/** SQL that prints `name 'value', …` of options, or null. */
function foreignOptions(array: string): string {
  return `(SELECT string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ')
    FROM pg_options_to_table(${array}))`;
}

interface ForeignTable extends Descent {
  key: string;
  rowType: string;
  server: string;
  options: string | null;
}

/** Their columns and where the rows are, never the rows. */
async function listForeignTables(catalog: Catalog): Promise<Draft[]> {
  const columns = await readColumns(catalog.session, ["f"]);
  const rows = await readRows<ForeignTable>(
    catalog.session,
    `SELECT 'pg_class:' || c.oid AS key, 'pg_type:' || c.reltype AS "rowType",
      quote_ident(s.srvname) AS server, ${foreignOptions("t.ftoptions")} AS options,
      ${descentColumns}
    FROM pg_foreign_table t JOIN pg_class c ON c.oid = t.ftrelid
      JOIN pg_foreign_server s ON s.oid = t.ftserver`,
  );
  return rows.flatMap((table): Draft[] => {
    const { key, rowType, server, options } = table;
    const name = catalog.own.get(key)?.identity;
    if (name === undefined) return [];
    const own = columns.get(key) ?? [];
    const list = own.map(columnDefinition).join(",\n  ");
    const create = `CREATE FOREIGN TABLE ${name} (\n  ${list}\n) SERVER ${server}`;
    return [
      {
        kind: "foreign table",
        name,
        section: "pre-data",
        statements: [
          options === null ? create : `${create} OPTIONS (${options})`,
          ...own.flatMap(columnActions).map((action) => `ALTER FOREIGN TABLE ${name} ${action}`),
          ...attachStatements(table, name),
        ],
        rows: [key, rowType, ...columnRows(own)],
      },
    ];
  });
}
