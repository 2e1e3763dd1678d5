import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

interface SearchObject {
  key: string;
  kind: string;
  options: string;
  mappings: string[];
}

/** Text search: parsers, templates, dictionaries and configurations. */
export async function listSearchObjects(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<SearchObject>(
    catalog.session,
    `SELECT 'pg_ts_parser:' || oid AS key, 'PARSER' AS kind,
      format('START = %s, GETTOKEN = %s, END = %s, LEXTYPES = %s', prsstart, prstoken, prsend,
        prslextype) || ${routineOption("HEADLINE", "prsheadline")} AS options, '[]'::json AS mappings
    FROM pg_ts_parser WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_template:' || oid, 'TEMPLATE',
      format('LEXIZE = %s', tmpllexize) || ${routineOption("INIT", "tmplinit")}, '[]'
    FROM pg_ts_template WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_dict:' || d.oid, 'DICTIONARY',
      format('TEMPLATE = %I.%I', n.nspname, t.tmplname) || coalesce(', ' || d.dictinitoption, ''),
      '[]'
    FROM pg_ts_dict d JOIN pg_ts_template t ON t.oid = d.dicttemplate
      JOIN pg_namespace n ON n.oid = t.tmplnamespace WHERE d.oid >= 16384
    UNION ALL SELECT 'pg_ts_config:' || c.oid, 'CONFIGURATION',
      format('PARSER = %I.%I', n.nspname, p.prsname), ${mappings}
    FROM pg_ts_config c JOIN pg_ts_parser p ON p.oid = c.cfgparser
      JOIN pg_namespace n ON n.oid = p.prsnamespace WHERE c.oid >= 16384`,
  );
  const drafts = rows.flatMap(({ key, kind, options, mappings: mapped }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    if (name === undefined) return [];
    const object = `TEXT SEARCH ${kind} ${name}`;
    return [
      {
        kind: `text search ${kind.toLowerCase()}`,
        name,
        section: "pre-data",
        statements: [
          `CREATE ${object} (${options})`,
          ...mapped.map((mapping) => `ALTER ${object} ADD MAPPING FOR ${mapping}`),
        ],
        rows: [key],
      },
    ];
  });
  return { drafts };
}

/** SQL for an option that names a function, where there is one. */
function routineOption(name: string, column: string): string {
  return `CASE WHEN ${column} = 0 THEN '' ELSE ', ${name} = ' || ${column}::regproc END`;
}

/** SQL: `token WITH dictionary, …` of each token type, dictionaries in their order. */
const mappings = `coalesce((SELECT json_agg(format('%I WITH %s', token, dictionaries)
    ORDER BY token) FROM (
      SELECT (SELECT t.alias FROM ts_token_type(c.cfgparser) t WHERE t.tokid = m.maptokentype)
          AS token,
        string_agg(format('%I.%I', dn.nspname, d.dictname), ', ' ORDER BY m.mapseqno)
          AS dictionaries
      FROM pg_ts_config_map m JOIN pg_ts_dict d ON d.oid = m.mapdict
        JOIN pg_namespace dn ON dn.oid = d.dictnamespace
      WHERE m.mapcfg = c.oid GROUP BY m.maptokentype) x), '[]')`;
