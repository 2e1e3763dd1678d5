import { DbctlError } from "../../../core/errors.ts";
import { quotePlain } from "./quote.ts";
import type { Row, Session } from "./session.ts";

/** A session that reads one database's definitions, outside of any transaction. */
export interface Catalog {
  session: Session;
  database: string;
  signal: AbortSignal;
  isMysql: boolean;
}

/** The catalog of a database, under the name that the server itself gives it. */
export async function openCatalog(
  session: Session,
  name: string,
  signal: AbortSignal,
): Promise<Catalog> {
  const [row] = await session.query("SELECT @@lower_case_table_names AS lower_", { signal });
  const database = row?.["lower_"] === "1" ? name.toLowerCase() : name;
  return { session, database, signal, isMysql: session.greeting.flavour === "mysql" };
}

/** Runs a query on the catalog; `act` completes "Cannot …". */
export function ask({ session, signal }: Catalog, sql: string, act: string): Promise<Row[]> {
  return session.query(sql, { signal, act });
}

/**
 * A condition for one schema of information_schema: the literal lets the server open this schema
 * only, the bytes tell schemas apart whose names differ in case.
 */
export function inSchema({ database }: Catalog, column: string): string {
  const literal = quotePlain(database);
  return `(${column} = ${literal} AND CAST(${column} AS BINARY) = CAST(${literal} AS BINARY))`;
}

/** A value that a row of the catalog must have. */
export function must(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (value !== undefined && value !== null) return value;
  throw new DbctlError("engine-refused", `Cannot read the catalog: ${column} is missing`, {
    remedy: "Check the rights of the account: dbctl needs SELECT, SHOW VIEW, TRIGGER and EVENT",
  });
}
