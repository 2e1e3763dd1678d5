import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

interface Aggregate {
  key: string;
  name: string;
  arguments: string;
  options: (string | null)[];
}

/** Aggregates, also moving, partial, ordered-set and hypothetical-set ones. */
export async function listAggregates(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Aggregate>(
    catalog.session,
    `SELECT 'pg_proc:' || p.oid AS key, format('%I.%I', n.nspname, p.proname) AS name,
      pg_get_function_arguments(p.oid) AS arguments, json_build_array(
        'SFUNC = ' || a.aggtransfn::regproc, 'STYPE = ' || format_type(a.aggtranstype, NULL),
        'SSPACE = ' || nullif(a.aggtransspace, 0),
        ${routine("FINALFUNC", "aggfinalfn")}, ${extra("FINALFUNC_EXTRA", "aggfinalextra")},
        ${modify("FINALFUNC_MODIFY", "aggfinalfn", "aggfinalmodify")},
        ${routine("COMBINEFUNC", "aggcombinefn")}, ${routine("SERIALFUNC", "aggserialfn")},
        ${routine("DESERIALFUNC", "aggdeserialfn")},
        'INITCOND = ' || quote_literal(a.agginitval),
        ${routine("MSFUNC", "aggmtransfn")}, ${routine("MINVFUNC", "aggminvtransfn")},
        'MSTYPE = ' || format_type(nullif(a.aggmtranstype, 0), NULL),
        'MSSPACE = ' || nullif(a.aggmtransspace, 0),
        ${routine("MFINALFUNC", "aggmfinalfn")}, ${extra("MFINALFUNC_EXTRA", "aggmfinalextra")},
        ${modify("MFINALFUNC_MODIFY", "aggmfinalfn", "aggmfinalmodify")},
        'MINITCOND = ' || quote_literal(a.aggminitval),
        'SORTOP = OPERATOR(' || quote_ident(sn.nspname) || '.' || s.oprname || ')',
        CASE p.proparallel WHEN 's' THEN 'PARALLEL = SAFE' WHEN 'r' THEN 'PARALLEL = RESTRICTED' END,
        CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END) AS options
    FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
      JOIN pg_namespace n ON n.oid = p.pronamespace
      LEFT JOIN pg_operator s ON s.oid = a.aggsortop
      LEFT JOIN pg_namespace sn ON sn.oid = s.oprnamespace
    WHERE p.oid >= 16384`,
  );
  const drafts = rows.flatMap((row): Draft[] => {
    const name = catalog.own.get(row.key)?.identity;
    if (name === undefined) return [];
    const options = row.options.filter((option) => option !== null).join(", ");
    // `*` is printed as nothing.
    const inputs = row.arguments === "" ? "*" : row.arguments;
    const create = `CREATE AGGREGATE ${row.name}(${inputs}) (${options})`;
    const section = "pre-data";
    return [{ kind: "aggregate", name, section, statements: [create], rows: [row.key] }];
  });
  return { drafts };
}

function routine(option: string, column: string): string {
  return `'${option} = ' || nullif(a.${column}, 0)::regproc`;
}

function extra(option: string, column: string): string {
  return `CASE WHEN a.${column} THEN '${option}' END`;
}

/** 11 and newer; said always, since the default depends on the aggregate's kind. */
function modify(option: string, routineColumn: string, column: string): string {
  return `CASE WHEN a.${routineColumn} <> 0 THEN '${option} = ' || CASE to_jsonb(a) ->> '${column}'
    WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' WHEN 'w' THEN 'READ_WRITE' END END`;
}
