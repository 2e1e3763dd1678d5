import { DbctlError } from "../../../core/errors.ts";
import type { SchemaObject } from "../engine.ts";
import { ask, type Catalog } from "./catalog.ts";
import { cutTokens, significant } from "./sql-tokens.ts";

/**
 * Refuses functions that a server with binary log would not create (error 1418), before data
 * moves: those that do not declare that they write nothing (MariaDB manual, "Stored Routine
 * Privileges", `log_bin_trust_function_creators`).
 */
export async function refuseUntrustedFunctions(
  catalog: Catalog,
  objects: SchemaObject[],
): Promise<void> {
  const sql = `SELECT @@GLOBAL.log_bin AS log, @@GLOBAL.log_bin_trust_function_creators AS trusts`;
  const [server] = await ask(catalog, sql, "read the server's settings");
  if (server?.["log"] !== "1" || server["trusts"] === "1") return;
  const untrusted = objects.filter(
    ({ kind, statements }) => kind === "function" && !statements.some(declaresHarmless),
  );
  if (untrusted.length === 0) return;
  const names = untrusted.map(({ name }) => name).join(", ");
  throw new DbctlError(
    "engine-refused",
    `Cannot restore functions ${names}: the server does not trust functions that may write`,
    { remedy: "Run SET GLOBAL log_bin_trust_function_creators = ON on the target server" },
  );
}

function declaresHarmless(sql: string): boolean {
  const words = significant(cutTokens(sql)).map(({ raw }) => raw.toUpperCase());
  return / (?:DETERMINISTIC|NO SQL|READS SQL DATA) /.test(` ${words.join(" ")} `);
}
