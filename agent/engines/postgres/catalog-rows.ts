import { DbctlError } from "../../../core/errors.ts";

/** What reading a catalog needs of a session. It must have an empty `search_path`. */
export interface CatalogSession {
  query(sql: string): Promise<Record<string, string | null>[]>;
}

/** Rows of a SELECT as JSON has them: oids and what is cast to text are strings. */
export async function readRows<Row>(session: CatalogSession, select: string): Promise<Row[]> {
  const rows = await session.query(`SELECT to_json(q)::text AS row FROM (${select}) q`);
  return rows.map(({ row }) => JSON.parse(row ?? "null") as Row);
}

/** What a `pg_get_…` function printed. They answer null when the object is gone meanwhile. */
export function definition(text: string | null | undefined, of: string): string {
  if (text !== null && text !== undefined) return text;
  throw new DbctlError(
    "engine-refused",
    `Cannot read the definition of ${of}: it was dropped or changed meanwhile`,
    { remedy: "Try again while nobody changes the schema", retryable: true },
  );
}

/**
 * SQL that prints `name = 'value', …` of a `text[]` of options, or null. The version that newer
 * minor releases keep of each column, `pg_attver`, is the server's own and left out.
 */
export function optionList(array: string, prefix = ""): string {
  return `(SELECT string_agg('${prefix}' || quote_ident(option_name)
      || CASE WHEN option_value IS NULL THEN '' ELSE ' = ' || quote_literal(option_value) END, ', ')
    FROM pg_options_to_table(${array}) WHERE option_name <> 'pg_attver')`;
}

/**
 * SQL that names a routine by all of its arguments, or is null: procedures that differ in OUT
 * arguments only are not told apart by types alone. An aggregate without arguments has `*`.
 */
export function routineTarget(proc: string, namespace: string): string {
  return `quote_ident(${namespace}.nspname) || '.' || quote_ident(${proc}.proname) || '('
    || coalesce(nullif(pg_get_function_identity_arguments(${proc}.oid), ''), CASE WHEN EXISTS (
      SELECT FROM pg_aggregate WHERE aggfnoid = ${proc}.oid) THEN '*' ELSE '' END) || ')'`;
}
