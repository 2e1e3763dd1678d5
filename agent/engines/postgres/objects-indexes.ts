import type { Catalog } from "./catalog.ts";
import { definition, readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

interface Index {
  key: string;
  name: string;
  plain: string;
  table: string;
  tableKey: string;
  definition: string | null;
  /** Of a key or exclusion constraint, which creates it. */
  constraint: boolean;
  clustered: boolean;
  replica: boolean;
  cost: string;
  tablespace: string | null;
  parent: string | null;
  parentKey: string | null;
  statistics: { column: number; target: number }[];
}

/** Indexes, and the marks on tables that name one. An invalid index is built anew. */
export async function listIndexes(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Index>(
    catalog.session,
    `SELECT 'pg_class:' || i.indexrelid AS key, format('%I.%I', n.nspname, c.relname) AS name,
      quote_ident(c.relname) AS plain, format('%I.%I', tn.nspname, t.relname) AS table,
      'pg_class:' || t.oid AS "tableKey", pg_get_indexdef(i.indexrelid) AS definition,
      EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid
        AND o.contype IN ('p', 'u', 'x')) AS constraint,
      i.indisclustered AS clustered, i.indisreplident AS replica,
      pg_table_size(t.oid)::text AS cost, s.spcname AS tablespace,
      quote_ident(pn.nspname) || '.' || quote_ident(p.relname) AS parent, 'pg_class:' || p.oid AS "parentKey",
      coalesce((SELECT json_agg(json_build_object('column', a.attnum,
          'target', a.attstattarget) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0), '[]')
        AS statistics
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
      LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
      LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
      LEFT JOIN pg_class p ON p.oid = h.inhparent
      LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE i.indexrelid >= 16384`,
  );
  const own = rows.filter(({ key }) => catalog.own.has(key));
  return {
    drafts: own.flatMap((index) => [...indexDrafts(index), ...markDrafts(index)]),
    unsupported: own
      .filter(({ tablespace, constraint }) => tablespace !== null && !constraint)
      .map(({ name }) => ({
        kind: "tablespace of index",
        name,
        remedy: "Restored without it; give it again with ALTER INDEX … SET TABLESPACE",
      })),
  };
}

function indexDrafts(index: Index): Draft[] {
  if (index.constraint) return [];
  const { key, name, cost } = index;
  return [
    {
      kind: "index",
      name,
      section: "index",
      statements: [definition(index.definition, name)],
      cost: Number(cost),
      rows: [key],
    },
  ];
}

/** Run after all indexes, since those are built in parallel. */
function markDrafts(index: Index): Draft[] {
  const { key, name, plain, table, tableKey, parent, parentKey, statistics } = index;
  const mark = (kind: string, statements: string[], needs: string[]): Draft => {
    return { kind, name, section: "constraint", statements, rows: [], needs, attribute: true };
  };
  const drafts: Draft[] = [];
  if (parent !== null && parentKey !== null)
    drafts.push(
      mark(
        "index attachment",
        [`ALTER INDEX ${parent} ATTACH PARTITION ${name}`],
        [key, parentKey],
      ),
    );
  if (index.clustered)
    drafts.push(
      mark("cluster mark", [`ALTER TABLE ${table} CLUSTER ON ${plain}`], [key, tableKey]),
    );
  if (index.replica)
    drafts.push(
      mark(
        "replica identity",
        [`ALTER TABLE ONLY ${table} REPLICA IDENTITY USING INDEX ${plain}`],
        [key, tableKey],
      ),
    );
  if (statistics.length > 0)
    drafts.push(
      mark(
        "index statistics",
        statistics.map(
          ({ column, target }) =>
            `ALTER INDEX ${name} ALTER COLUMN ${column} SET STATISTICS ${target}`,
        ),
        [key],
      ),
    );
  return drafts;
}
