import type { Catalog } from "./catalog.ts";
import { definition, readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

interface Routine {
  key: string;
  kind: string;
  definition: string | null;
}

/** Functions, window functions and procedures, as `pg_get_functiondef` prints them. */
export async function listRoutines(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Routine>(
    catalog.session,
    `SELECT 'pg_proc:' || p.oid AS key, i.type AS kind,
      pg_get_functiondef(p.oid) AS definition
    FROM pg_proc p, LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) i
    WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_aggregate a WHERE a.aggfnoid = p.oid)`,
  );
  const drafts = rows.flatMap(({ key, kind, definition: text }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    if (name === undefined || catalog.parts.has(key)) return [];
    const statements = [definition(text, name)];
    return [{ kind, name, section: "pre-data", statements, rows: [key] }];
  });
  return { drafts };
}
