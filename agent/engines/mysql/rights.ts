import { DbctlError } from "../../../core/errors.ts";
import { ask, type Catalog, must } from "./catalog.ts";
import { quoteAccount, quoteName } from "./quote.ts";
import { errnoOf } from "./server-error.ts";

/** What an account needs on a database to see all of its objects. */
const needed = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"];

/**
 * Refuses an account that would not see every object: information_schema leaves out in silence
 * what the account has no right to.
 */
export async function checkReadingRights(catalog: Catalog): Promise<void> {
  const account = quoteAccount(await readAccount(catalog));
  const has = readRights(await readGrants(catalog), catalog.database);
  const missing = needed.filter((right) => !has.has(right) && !has.has("ALL PRIVILEGES"));
  if (missing.length > 0) {
    const on = `${quoteName(catalog.database)}.*`;
    throw denied(catalog, `GRANT ${missing.join(", ")} ON ${on} TO ${account}`);
  }
  await checkRoutineRights(catalog, { account, has });
}

/** Rights, one of which it takes to create objects in the name of other accounts. */
const definerRights = ["ALL PRIVILEGES", "SUPER", "SET USER", "SET_USER_ID", "SET_ANY_DEFINER"];

/** Refuses an account that could not restore the definers of views and routines. */
export async function checkDefinerRights(catalog: Catalog, definers: string[]): Promise<void> {
  const account = await readAccount(catalog);
  const other = definers.find((definer) => definer !== account);
  if (other === undefined) return;
  const everywhere = (await readGrants(catalog)).filter((line) => line.includes(" ON *.* TO "));
  const has = readRights(everywhere, catalog.database);
  if (definerRights.some((right) => has.has(right))) return;
  const right = catalog.isMysql ? "SET_ANY_DEFINER" : "SET USER";
  throw new DbctlError(
    "engine-denied",
    `Cannot restore objects of ${other}: ${account} may create objects in its own name only`,
    { remedy: `Run GRANT ${right} ON *.* TO ${quoteAccount(account)}` },
  );
}

async function readAccount(catalog: Catalog): Promise<string> {
  const [who] = await ask(catalog, "SELECT CURRENT_USER() AS account", "ask who logged in");
  return must(who, "account");
}

async function readGrants(catalog: Catalog): Promise<string[]> {
  const rows = await ask(catalog, "SHOW GRANTS", "read the account's rights");
  return rows.map((row) => Object.values(row)[0] ?? "");
}

const grant = /^GRANT (.+?) ON (?:(\*\.\*)|`((?:[^`]|``)*)`\.\*) TO /;

/** The rights on a whole database that the lines of SHOW GRANTS give, those of a role among them. */
export function readRights(lines: string[], database: string): Set<string> {
  const rights = new Set<string>();
  for (const line of lines) {
    const [, list = "", everywhere, pattern = ""] = grant.exec(line) ?? [];
    const applies = everywhere !== undefined || isLike(database, pattern.replaceAll("``", "`"));
    if (applies) for (const right of list.split(", ")) rights.add(right);
  }
  return rights;
}

/** LIKE with its wildcards, which a grant's database name may have (manual, "GRANT"). */
function isLike(name: string, pattern: string): boolean {
  const parts = pattern.match(/\\[^]|[^]/gu) ?? [];
  const regex = parts.map((part) => {
    if (part === "%") return "[^]*";
    if (part === "_") return "[^]";
    return RegExp.escape(part.length > 1 ? part.slice(1) : part);
  });
  return new RegExp(`^${regex.join("")}$`, "u").test(name);
}

/** Routines are visible whole to those who may read the server's own table of them. */
async function checkRoutineRights(
  catalog: Catalog,
  { account, has }: { account: string; has: Set<string> },
): Promise<void> {
  if (has.has("SHOW CREATE ROUTINE") || has.has("SHOW_ROUTINE")) return;
  const { isMysql } = catalog;
  const seeing = isMysql ? "SELECT 1 FROM mysql.user LIMIT 0" : "SELECT 1 FROM mysql.proc LIMIT 0";
  try {
    await ask(catalog, seeing, "see all routines");
  } catch (cause) {
    if (errnoOf(cause) !== 1142) throw cause;
    const right = isMysql ? "SHOW_ROUTINE ON *.*" : "SELECT ON mysql.proc";
    throw denied(catalog, `GRANT ${right} TO ${account}`);
  }
}

function denied({ database }: Catalog, line: string): DbctlError {
  return new DbctlError(
    "engine-denied",
    `Cannot back up ${database}: the account does not see all of its objects`,
    { remedy: `Run ${line}` },
  );
}
