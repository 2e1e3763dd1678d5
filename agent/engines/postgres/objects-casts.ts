import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

interface Definition {
  key: string;
  kind: string;
  create: string;
}

/** Casts, transforms, languages and access methods: what has no schema. */
export async function listCasts(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Definition>(
    catalog.session,
    `SELECT 'pg_cast:' || oid AS key, 'cast' AS kind,
      format('CREATE CAST (%s AS %s) %s%s', format_type(castsource, NULL),
        format_type(casttarget, NULL),
        CASE castmethod WHEN 'b' THEN 'WITHOUT FUNCTION' WHEN 'i' THEN 'WITH INOUT'
          ELSE 'WITH FUNCTION ' || castfunc::regprocedure END,
        CASE castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END)
        AS create
    FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT 'pg_transform:' || t.oid, 'transform',
      format('CREATE TRANSFORM FOR %s LANGUAGE %I (%s)', format_type(trftype, NULL), l.lanname,
        concat_ws(', ',
          CASE WHEN trffromsql <> 0 THEN 'FROM SQL WITH FUNCTION ' || trffromsql::regprocedure END,
          CASE WHEN trftosql <> 0 THEN 'TO SQL WITH FUNCTION ' || trftosql::regprocedure END))
    FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE t.oid >= 16384
    UNION ALL SELECT 'pg_language:' || oid, 'language',
      format('CREATE %sLANGUAGE %I HANDLER %s', CASE WHEN lanpltrusted THEN 'TRUSTED ' ELSE '' END,
        lanname, lanplcallfoid::regproc)
        || CASE WHEN laninline <> 0 THEN ' INLINE ' || laninline::regproc ELSE '' END
        || CASE WHEN lanvalidator <> 0 THEN ' VALIDATOR ' || lanvalidator::regproc ELSE '' END
    FROM pg_language WHERE oid >= 16384 AND lanispl
    UNION ALL SELECT 'pg_am:' || oid, 'access method',
      format('CREATE ACCESS METHOD %I TYPE %s HANDLER %s', amname,
        CASE amtype WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END, amhandler::regproc)
    FROM pg_am WHERE oid >= 16384`,
  );
  const drafts = rows.flatMap(({ key, kind, create }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    // A range type makes a cast to its multirange type.
    if (name === undefined || catalog.parts.has(key)) return [];
    return [{ kind, name, section: "pre-data", statements: [create], rows: [key] }];
  });
  return { drafts };
}
