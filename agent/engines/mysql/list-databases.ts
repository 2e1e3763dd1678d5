import { DbctlError } from "../../../core/errors.ts";
import type { DatabaseSize, Waiting } from "../engine.ts";
import { type Login, openSession, type Session } from "./session.ts";
import { baseSettings } from "./setup-session.ts";

/** Every schema but the products' own. */
export async function listDatabases(login: Login, { signal }: Waiting): Promise<DatabaseSize[]> {
  await using session = await openSession(login, { signal, database: null });
  await session.execute(baseSettings(session, ""), { signal, act: "set up a session" });
  const rows = await session.query(
    `SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA
     WHERE LOWER(SCHEMA_NAME) NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
     ORDER BY SCHEMA_NAME`,
    { signal, act: "list the databases" },
  );
  const sizes = await readSizes(session, signal);
  return rows.map(({ name }) => ({ name: name ?? "", size: sizes.get(name ?? "") ?? 0 }));
}

/**
 * InnoDB's saved statistics: one small table, while asking information_schema would open every
 * table of the server. An account that may not read them sees no sizes.
 */
async function readSizes(session: Session, signal: AbortSignal): Promise<Map<string, number>> {
  try {
    const rows = await session.query(
      `SELECT database_name AS name,
         SUM(clustered_index_size + sum_of_other_index_sizes) * @@innodb_page_size AS size
       FROM mysql.innodb_table_stats GROUP BY database_name`,
      { signal, act: "read the sizes of databases" },
    );
    return new Map(rows.map(({ name, size }) => [name ?? "", Number(size ?? 0)]));
  } catch (error) {
    if (error instanceof DbctlError && error.code === "engine-denied") return new Map();
    throw error;
  }
}
