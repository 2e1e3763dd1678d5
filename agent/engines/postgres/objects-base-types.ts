import { type Catalog, shellOf } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

interface BaseType {
  key: string;
  defined: boolean;
  range: boolean;
  options: (string | null)[];
}

/**
 * Base types. Their functions need the type and the type its functions, so every one begins as a
 * shell; ranges with a function of their own as well.
 */
export async function listBaseTypes(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<BaseType>(
    catalog.session,
    `SELECT 'pg_type:' || t.oid AS key, t.typisdefined AS defined, t.typtype = 'r' AS range, json_build_array(
        'INPUT = ' || t.typinput::regproc, 'OUTPUT = ' || t.typoutput::regproc,
        ${routine("RECEIVE", "typreceive")}, ${routine("SEND", "typsend")},
        ${routine("TYPMOD_IN", "typmodin")}, ${routine("TYPMOD_OUT", "typmodout")},
        ${routine("ANALYZE", "typanalyze")},
        'SUBSCRIPT = ' || nullif(to_jsonb(t) ->> 'typsubscript', '-'),
        CASE WHEN t.typlen < 0 THEN 'INTERNALLENGTH = VARIABLE'
          ELSE 'INTERNALLENGTH = ' || t.typlen END,
        CASE WHEN t.typbyval THEN 'PASSEDBYVALUE' END,
        CASE t.typalign WHEN 'c' THEN 'ALIGNMENT = char' WHEN 's' THEN 'ALIGNMENT = int2'
          WHEN 'i' THEN 'ALIGNMENT = int4' ELSE 'ALIGNMENT = double' END,
        CASE t.typstorage WHEN 'e' THEN 'STORAGE = external' WHEN 'm' THEN 'STORAGE = main'
          WHEN 'x' THEN 'STORAGE = extended' ELSE 'STORAGE = plain' END,
        'CATEGORY = ' || quote_literal(t.typcategory::text),
        CASE WHEN t.typispreferred THEN 'PREFERRED = true' END,
        'DEFAULT = ' || quote_literal(t.typdefault),
        'ELEMENT = ' || format_type(nullif(t.typelem, 0), NULL),
        'DELIMITER = ' || quote_literal(t.typdelim::text),
        CASE WHEN t.typcollation <> 0 THEN 'COLLATABLE = true' END) AS options
    FROM pg_type t
    WHERE t.oid >= 16384 AND (t.typtype = 'b' OR NOT t.typisdefined
      OR EXISTS (SELECT FROM pg_range r WHERE r.rngtypid = t.oid AND r.rngcanonical <> 0))`,
  );
  const drafts = rows.flatMap(({ key, defined, range, options }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    // Array types are made with their element.
    if (name === undefined || catalog.parts.has(key)) return [];
    const section = "pre-data";
    const shell: Draft = {
      kind: "shell type",
      name,
      section,
      statements: [`CREATE TYPE ${name}`],
      rows: defined ? [shellOf(key)] : [key],
    };
    if (!defined || range) return [shell];
    const list = options.filter((option) => option !== null).join(", ");
    const statements = [`CREATE TYPE ${name} (${list})`];
    return [
      shell,
      { kind: "base type", name, section, statements, rows: [key], needs: [shellOf(key)] },
    ];
  });
  return { drafts };
}

function routine(option: string, column: string): string {
  return `CASE WHEN t.${column} <> 0 THEN '${option} = ' || t.${column}::regproc END`;
}
