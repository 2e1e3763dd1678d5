import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";
import { quoteLiteral } from "./quote.ts";

/** Schemas; also that `public`, which every new database has, is not there. */
export async function listSchemas(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<{ key: string; name: string }>(
    catalog.session,
    `SELECT 'pg_namespace:' || oid AS key, quote_ident(nspname) AS name FROM pg_namespace`,
  );
  const own = rows.filter(({ key }) => catalog.own.has(key));
  const drafts = own.map(({ key, name }) => schemaDraft(name, [key]));
  if (!rows.some(({ name }) => name === "public"))
    drafts.push(schemaDraft("public", [], "DROP SCHEMA IF EXISTS public"));
  return { drafts };
}

function schemaDraft(name: string, rows: string[], statement?: string): Draft {
  const unless = name === "public" ? "IF NOT EXISTS " : "";
  return {
    kind: "schema",
    name,
    section: "pre-data",
    statements: [statement ?? `CREATE SCHEMA ${unless}${name}`],
    rows,
  };
}

interface Extension {
  key: string;
  plain: string;
  name: string;
  schema: string;
  schemaKey: string;
  builtinSchema: boolean;
  version: string;
  tables: { table: string; kind: string; condition: string }[];
}

/** Extensions by name, schema and version; rows that users put into their tables are not taken. */
export async function listExtensions(catalog: Catalog): Promise<DraftList> {
  const extensions = await readRows<Extension>(
    catalog.session,
    `SELECT 'pg_extension:' || e.oid AS key, extname AS plain, quote_ident(extname) AS name,
      quote_ident(n.nspname) AS schema, 'pg_namespace:' || n.oid AS "schemaKey",
      n.oid < 16384 AS "builtinSchema", extversion AS version,
      coalesce((SELECT json_agg(json_build_object('table', t.name, 'kind', t.kind, 'condition',
          t.condition)) FROM (SELECT format('%I.%I', tn.nspname, c.relname) AS name,
            c.relkind AS kind, e.extcondition[i] AS condition
          FROM generate_subscripts(e.extconfig, 1) i JOIN pg_class c ON c.oid = e.extconfig[i]
            JOIN pg_namespace tn ON tn.oid = c.relnamespace) t), '[]') AS tables
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace`,
  );
  const list: Required<DraftList> = { drafts: [], unsupported: [], requires: [] };
  list.drafts.push(plpgsqlDraft(extensions.find(({ plain }) => plain === "plpgsql")));
  for (const extension of extensions) {
    list.unsupported.push(...(await listUserRows(catalog, extension)));
    const { key, plain, version } = extension;
    if (!catalog.own.has(key) || plain === "plpgsql") continue;
    list.drafts.push(extensionDraft(catalog, extension));
    list.requires.push({ kind: "extension", name: `${plain} ${version}` });
  }
  return list;
}

/** Every new database has it; it may have been dropped, or made again. */
function plpgsqlDraft(extension: Extension | undefined): Draft {
  return {
    kind: "extension",
    name: "plpgsql",
    section: "pre-data",
    statements:
      extension === undefined
        ? ["DROP EXTENSION IF EXISTS plpgsql"]
        : [`CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA ${extension.schema}`],
    rows: extension === undefined ? [] : [extension.key],
  };
}

function extensionDraft(catalog: Catalog, extension: Extension): Draft {
  const { key, name, schema, version } = extension;
  // An extension that brings its own schema takes no other.
  const inSchema = extension.builtinSchema || catalog.own.has(extension.schemaKey);
  const where = inSchema ? ` SCHEMA ${schema}` : "";
  return {
    kind: "extension",
    name,
    section: "pre-data",
    statements: [`CREATE EXTENSION ${name} WITH${where} VERSION ${quoteLiteral(version)}`],
    rows: [key],
  };
}

/** Tables that the extension registered with pg_extension_config_dump, and that have such rows. */
async function listUserRows(catalog: Catalog, { name, tables }: Extension) {
  const found = [];
  for (const { table, kind, condition } of tables) {
    const select =
      kind === "S"
        ? `SELECT 1 AS one FROM ${table} WHERE is_called`
        : `SELECT 1 AS one FROM ${table} ${condition} LIMIT 1`;
    if ((await catalog.session.query(select)).length === 0) continue;
    found.push({
      kind: "rows of extension table",
      name: table,
      remedy: `Copy these rows by hand, as the manual of ${name} says`,
    });
  }
  return found;
}
