import { DbctlError } from "../../../core/errors.ts";
import { ask, type Catalog } from "./catalog.ts";
import { quoteAccount, quoteName, quotePlain } from "./quote.ts";
import { errnoOf } from "./server-error.ts";

/** What an account needs on a database to see all of its objects. */
const needed = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"];

/**
 * Refuses an account that would not see every object: information_schema leaves out in silence
 * what the account has no right to.
 */
export async function checkReadingRights(catalog: Catalog): Promise<void> {
  const [who] = await ask(catalog, "SELECT CURRENT_USER() AS account", "ask who logged in");
  const account = quoteAccount(who?.["account"] ?? "");
  const rows = await ask(
    catalog,
    `SELECT PRIVILEGE_TYPE AS privilege FROM information_schema.USER_PRIVILEGES
     UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES
     WHERE ${quotePlain(catalog.database)} LIKE TABLE_SCHEMA`,
    "read the account's rights",
  );
  const has = new Set(rows.map((row) => row["privilege"]));
  const missing = needed.filter((right) => !has.has(right));
  if (missing.length > 0) {
    const on = `${quoteName(catalog.database)}.*`;
    throw denied(catalog, `GRANT ${missing.join(", ")} ON ${on} TO ${account}`);
  }
  await checkRoutineRights(catalog, { account, has });
}

/** Routines are visible whole to those who may read the server's own table of them. */
async function checkRoutineRights(
  catalog: Catalog,
  { account, has }: { account: string; has: Set<string | null | undefined> },
): Promise<void> {
  const { isMysql } = catalog;
  if (isMysql) {
    const sql = `SELECT PRIVILEGE_TYPE AS privilege FROM information_schema.USER_PRIVILEGES
      WHERE PRIVILEGE_TYPE IN ('SELECT', 'SHOW_ROUTINE')`;
    const rows = await ask(catalog, sql, "read the account's rights");
    if (rows.length === 0) throw denied(catalog, `GRANT SHOW_ROUTINE ON *.* TO ${account}`);
    return;
  }
  if (has.has("SHOW CREATE ROUTINE")) return;
  try {
    await ask(catalog, "SELECT 1 FROM mysql.proc LIMIT 0", "see all routines");
  } catch (cause) {
    if (errnoOf(cause) !== 1142) throw cause;
    throw denied(catalog, `GRANT SELECT ON mysql.proc TO ${account}`);
  }
}

function denied({ database }: Catalog, grant: string): DbctlError {
  return new DbctlError(
    "engine-denied",
    `Cannot back up ${database}: the account does not see all of its objects`,
    { remedy: `Run ${grant}` },
  );
}
