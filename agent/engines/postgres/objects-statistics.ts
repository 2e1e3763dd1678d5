import type { Catalog } from "./catalog.ts";
import { definition, readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

/** Extended statistics: what to collect, not what was collected. */
export async function listStatistics(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<{ key: string; definition: string | null; target: string | null }>(
    catalog.session,
    `SELECT 'pg_statistic_ext:' || s.oid AS key, pg_get_statisticsobjdef(s.oid) AS definition,
      nullif(to_jsonb(s) ->> 'stxstattarget', '-1') AS target
    FROM pg_statistic_ext s`,
  );
  const drafts = rows.flatMap(({ key, definition: text, target }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    if (name === undefined) return [];
    const create = definition(text, name);
    const set = `ALTER STATISTICS ${name} SET STATISTICS ${target}`;
    return [
      {
        kind: "statistics object",
        name,
        section: "post-data",
        statements: target === null ? [create] : [create, set],
        rows: [key],
      },
    ];
  });
  return { drafts };
}
