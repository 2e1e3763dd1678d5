import { cutTokens, nameOf, significant, type SqlToken } from "./sql-tokens.ts";

/**
 * Takes the own database's name off a table's definition as the server prints it, so that it can
 * be run in a database of another name: `` nextval(`shop`.`s`) `` becomes `` nextval(`s`) ``.
 * Columns are never qualified there.
 */
export function dropOwnQualifier(sql: string, database: string): string {
  const tokens = cutTokens(sql);
  return joinWithout(tokens, findQualifiers(tokens, database));
}

/**
 * The same for a view, where columns are qualified, too. Gives undefined when a table or alias has
 * the database's name and so cannot be told apart from it.
 */
export function dropOwnQualifierOfView(sql: string, database: string): string | undefined {
  const tokens = cutTokens(sql);
  const body = tokens.findIndex(({ kind, raw }) => kind === "word" && raw.toUpperCase() === "AS");
  const head = tokens.slice(0, body);
  const rest = tokens.slice(body);
  const qualifiers = findQualifiers(rest, database);
  const hasNamesake = rest.some(
    (token, n) => isName(token, database) && (rest[n - 1]?.raw === "." || rest[n + 1]?.raw !== "."),
  );
  if (!hasNamesake) return joinWithout(head, []) + joinWithout(rest, qualifiers);
  return qualifiers.some((at) => namesDatabase(rest, at)) ? undefined : sql;
}

/** Whether a text that a person wrote (a routine's body) uses the database's name as a qualifier. */
export function mentionsDatabase(sql: string, database: string, sqlMode: string): boolean {
  const tokens = significant(cutTokens(sql, sqlMode));
  const own = database.toLowerCase();
  return tokens.some((token, n) => {
    const name = nameOf(token)?.toLowerCase();
    if (token.kind === "word" && name?.startsWith(`${own}.`) === true) return true;
    return name === own && tokens[n + 1]?.raw.startsWith(".") === true;
  });
}

function isName(token: SqlToken, name: string): boolean {
  return token.kind === "name" && nameOf(token) === name;
}

function findQualifiers(tokens: SqlToken[], database: string): number[] {
  return tokens.flatMap((token, n) => {
    const first = tokens[n - 1]?.raw !== "." && tokens[n + 1]?.raw === ".";
    return first && isName(token, database) ? [n] : [];
  });
}

function joinWithout(tokens: SqlToken[], qualifiers: number[]): string {
  const dropped = new Set(qualifiers.flatMap((n) => [n, n + 1]));
  return tokens.map(({ raw }, n) => (dropped.has(n) ? "" : raw)).join("");
}

/** `db`.`table`.`column`, `db`.`function`(…), from `db`.`table`, nextval(`db`.`sequence`). */
function namesDatabase(tokens: SqlToken[], at: number): boolean {
  const next = tokens[at + 3]?.raw;
  if (next === "." || next === "(") return true;
  const before = significant(tokens.slice(0, at)).slice(-2);
  const words = before.map(({ raw }) => raw.toLowerCase());
  if (/^(from|join|straight_join)$/.test(words[1] ?? "")) return true;
  if (words[0] === "from" && words[1] === "(") return true;
  return words[1] === "(" && /^(nextval|lastval|setval)$/.test(words[0] ?? "");
}
