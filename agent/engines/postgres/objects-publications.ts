import type { Catalog } from "./catalog.ts";
import { type CatalogSession, readRows } from "./catalog-rows.ts";
import { type Draft, type DraftList, ranks } from "./draft.ts";

interface Publication {
  key: string;
  allTables: boolean;
  options: string;
  tables: PublishedTable[];
  schemas: { key: string; name: string }[];
}

interface PublishedTable {
  key: string;
  name: string;
  columns: string | null;
  filter: string | null;
}

/** Publications with their columns, row filters and schemas. */
export async function listPublications(catalog: Catalog): Promise<DraftList> {
  const publications = await readPublications(catalog.session);
  const drafts = publications.flatMap((publication): Draft[] => {
    const { key, options, tables, schemas } = publication;
    const name = catalog.own.get(key)?.identity;
    if (name === undefined) return [];
    const contents = contentsOf(publication);
    const what = contents === "" ? "" : ` FOR ${contents}`;
    return [
      {
        kind: "publication",
        name,
        section: "post-data",
        statements: [`CREATE PUBLICATION ${name}${what} WITH (${options})`],
        rows: [key, ...tables.map((table) => table.key), ...schemas.map((schema) => schema.key)],
        rank: ranks.publication,
      },
    ];
  });
  return { drafts };
}

function contentsOf({ allTables, tables, schemas }: Publication): string {
  if (allTables) return "ALL TABLES";
  const lists = tables.map(({ name, columns, filter }) => {
    const only = columns === null ? "" : ` (${columns})`;
    return `TABLE ONLY ${name}${only}${filter === null ? "" : ` WHERE (${filter})`}`;
  });
  return [...lists, ...schemas.map(({ name }) => `TABLES IN SCHEMA ${name}`)].join(", ");
}

async function readPublications(session: CatalogSession): Promise<Publication[]> {
  const [has] = await session.query(
    "SELECT to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL AS details",
  );
  const { columns, filter, schemas } = has?.["details"] === "t" ? details : noDetails;
  return readRows(
    session,
    `SELECT 'pg_publication:' || p.oid AS key, p.puballtables AS "allTables",
      concat_ws(', ', format('publish = %L', concat_ws(', ',
          CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
          CASE WHEN p.pubdelete THEN 'delete' END,
          CASE WHEN (to_jsonb(p) ->> 'pubtruncate')::boolean THEN 'truncate' END)),
        CASE WHEN (to_jsonb(p) ->> 'pubviaroot')::boolean
          THEN 'publish_via_partition_root = true' END,
        CASE WHEN to_jsonb(p) ->> 'pubgencols' = 's'
          THEN 'publish_generated_columns = stored' END) AS options,
      coalesce((SELECT json_agg(json_build_object('key', 'pg_publication_rel:' || r.oid,
          'name', format('%I.%I', n.nspname, c.relname), 'columns', ${columns}, 'filter', ${filter})
          ORDER BY n.nspname, c.relname)
        FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE r.prpubid = p.oid), '[]') AS tables,
      ${schemas} AS schemas
    FROM pg_publication p`,
  );
}

/** What publications have since 15. */
const details = {
  columns: `(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs))`,
  filter: "pg_get_expr(r.prqual, c.oid)",
  schemas: `coalesce((SELECT json_agg(json_build_object(
      'key', 'pg_publication_namespace:' || pn.oid, 'name', quote_ident(n.nspname))
      ORDER BY n.nspname)
    FROM pg_publication_namespace pn JOIN pg_namespace n ON n.oid = pn.pnnspid
    WHERE pn.pnpubid = p.oid), '[]')`,
};

const noDetails = { columns: "NULL", filter: "NULL", schemas: "'[]'::json" };
