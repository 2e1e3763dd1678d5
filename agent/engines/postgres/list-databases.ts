import type { DatabaseSize, Waiting } from "../engine.ts";
import { openSession } from "./session.ts";
import type { Access } from "./snapshot.ts";

/** Every database that takes connections and is no template; manual, "pg_database". */
export async function listDatabases(
  { target, password }: Access,
  { signal }: Waiting,
): Promise<DatabaseSize[]> {
  await using session = await openSession(target, { password, signal });
  // The size of a database that may not be connected to is an error, not a zero.
  const rows = await session.query(
    `SELECT d.datname AS name,
       CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT')
         THEN pg_catalog.pg_database_size(d.oid) END AS size
     FROM pg_catalog.pg_database AS d
     WHERE d.datallowconn AND NOT d.datistemplate ORDER BY d.datname`,
  );
  return rows.map((row) => ({ name: row["name"] ?? "", size: Number(row["size"] ?? 0) }));
}
