import { ask, type Catalog } from "./catalog.ts";
import { quoteAccount, quoteName, quotePlain } from "./quote.ts";
import { errnoOf } from "./server-error.ts";

export interface Requirement {
  kind: string;
  name: string;
}

/** What the target server lacks of what a backup's objects need, for people. */
export async function missingRequirements(
  catalog: Catalog,
  requires: Requirement[],
): Promise<string[]> {
  const missing: string[] = [];
  for (const requirement of requires) {
    if (!(await isThere(catalog, requirement)))
      missing.push(`${requirement.kind} ${requirement.name}`);
  }
  return missing;
}

async function isThere(catalog: Catalog, { kind, name }: Requirement): Promise<boolean> {
  switch (kind) {
    case "account":
      return await accountExists(catalog, name);
    case "engine":
      return await exists(
        catalog,
        `ENGINES WHERE ENGINE = ${quotePlain(name)}
        AND SUPPORT IN ('YES', 'DEFAULT')`,
      );
    case "collation":
      return await exists(catalog, `COLLATIONS WHERE COLLATION_NAME = ${quotePlain(name)}`);
    case "database":
      if (name.toLowerCase() === catalog.database.toLowerCase()) return true;
      return await exists(catalog, `SCHEMATA WHERE SCHEMA_NAME = ${quotePlain(name)}`);
    default:
      return false;
  }
}

async function exists(catalog: Catalog, from: string): Promise<boolean> {
  const sql = `SELECT 1 FROM information_schema.${from} LIMIT 1`;
  return (await ask(catalog, sql, "look for what the objects need")).length > 0;
}

/** 1141: there is no such grant. 1133: there is no such role or account. */
async function accountExists(catalog: Catalog, name: string): Promise<boolean> {
  const { session, signal } = catalog;
  try {
    const act = `look for account ${name}`;
    await session.query(`SHOW GRANTS FOR ${grantee(name)}`, { signal, act });
    return true;
  } catch (reason) {
    const errno = errnoOf(reason);
    if (errno === 1141 || errno === 1133) return false;
    throw reason;
  }
}

/** A role is an account without a host. */
function grantee(name: string): string {
  return name.endsWith("@") ? quoteName(name.slice(0, -1)) : quoteAccount(name);
}
