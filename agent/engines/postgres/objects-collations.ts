import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";
import { quoteLiteral } from "./quote.ts";

interface Collation {
  key: string;
  provider: string;
  collate: string | null;
  ctype: string | null;
  locale: string | null;
  rules: string | null;
  deterministic: boolean;
}

const providers: Record<string, string> = { c: "libc", i: "icu", b: "builtin" };

/** Collations and conversions; and which built-in collations the schema uses. */
export async function listCollations(catalog: Catalog): Promise<DraftList> {
  // `colllocale` since 17, `colliculocale` in 15 and 16, before that in `collcollate`.
  const rows = await readRows<Collation>(
    catalog.session,
    `SELECT 'pg_collation:' || c.oid AS key, c.collprovider AS provider, c.collcollate AS collate,
      c.collctype AS ctype,
      coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale') AS locale,
      to_jsonb(c) ->> 'collicurules' AS rules,
      coalesce((to_jsonb(c) ->> 'collisdeterministic')::boolean, true) AS deterministic
    FROM pg_collation c WHERE c.oid >= 16384`,
  );
  const drafts = rows.flatMap((row): Draft[] => {
    const name = catalog.own.get(row.key)?.identity;
    const provider = providers[row.provider];
    if (name === undefined || provider === undefined) return [];
    const options = [`PROVIDER = ${provider}`, ...localeOptions(row)];
    if (!row.deterministic) options.push("DETERMINISTIC = false");
    if (row.rules !== null) options.push(`RULES = ${quoteLiteral(row.rules)}`);
    const create = `CREATE COLLATION ${name} (${options.join(", ")})`;
    const section = "pre-data";
    return [{ kind: "collation", name, section, statements: [create], rows: [row.key] }];
  });
  drafts.push(...(await listConversions(catalog)));
  return { drafts, requires: await listBuiltinCollations(catalog) };
}

function localeOptions({ locale, collate, ctype }: Collation): string[] {
  if (locale !== null) return [`LOCALE = ${quoteLiteral(locale)}`];
  return [
    ...(collate === null ? [] : [`LC_COLLATE = ${quoteLiteral(collate)}`]),
    ...(ctype === null ? [] : [`LC_CTYPE = ${quoteLiteral(ctype)}`]),
  ];
}

/** Which of the operating system's collations there are differs between hosts. */
async function listBuiltinCollations({ session }: Catalog) {
  const rows = await readRows<{ name: string }>(
    session,
    `SELECT DISTINCT c.collname AS name
    FROM pg_collation c JOIN pg_depend d
      ON d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid
    WHERE c.oid < 16384 AND d.objid >= 16384`,
  );
  return rows.map(({ name }) => ({ kind: "collation", name }));
}

async function listConversions(catalog: Catalog): Promise<Draft[]> {
  const rows = await readRows<
    Record<"key" | "from" | "to" | "routine", string> & { default: boolean }
  >(
    catalog.session,
    `SELECT 'pg_conversion:' || oid AS key, pg_encoding_to_char(conforencoding) AS from,
      pg_encoding_to_char(contoencoding) AS to, conproc::regproc::text AS routine,
      condefault AS default
    FROM pg_conversion WHERE oid >= 16384`,
  );
  return rows.flatMap((row): Draft[] => {
    const name = catalog.own.get(row.key)?.identity;
    if (name === undefined) return [];
    const create = `CREATE ${row.default ? "DEFAULT " : ""}CONVERSION ${name}
      FOR ${quoteLiteral(row.from)} TO ${quoteLiteral(row.to)} FROM ${row.routine}`;
    const section = "pre-data";
    return [{ kind: "conversion", name, section, statements: [create], rows: [row.key] }];
  });
}
