import type { Loader, SchemaObject, TableData, Waiting } from "../engine.ts";
import { copyIn } from "./copy-in.ts";
import { quoteLiteral, quoteName, quoteQualified } from "./quote.ts";
import { formatOf } from "./reader.ts";
import { sqlstateOf } from "./server-error.ts";
import { openSession, type PostgresSession } from "./session.ts";
import { applySettings, loaderSettings } from "./session-settings.ts";
import type { Access } from "./snapshot.ts";
import { detailsOf } from "./tables.ts";

/** A session that builds objects and loads rows. */
export async function openLoader(access: Access, { signal }: Waiting): Promise<Loader> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(access.target, { ...access, signal }));
  await applySettings(session, loaderSettings);
  const owned = stack.move();
  return {
    build: (object, options) => build(session, { object, ...options }),
    load: (table, bytes, options) => load(session, { table, bytes, ...options }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function build(
  session: PostgresSession,
  { object, signal }: { object: SchemaObject } & Waiting,
): Promise<void> {
  const doing = `build ${object.kind} ${object.name}`;
  for (const statement of object.statements) await session.execute(statement, { doing, signal });
}

interface Loading extends Waiting {
  table: TableData;
  bytes: AsyncIterable<Uint8Array>;
}

async function load(session: PostgresSession, options: Loading): Promise<number> {
  const { table, bytes, signal } = options;
  const format = formatOf(table);
  // A list of no columns cannot be written; a table without any needs none.
  const columns = table.columns.map(quoteName).join(", ");
  const list = columns === "" ? "" : ` (${columns})`;
  const sql = [
    "BEGIN",
    `SET LOCAL client_encoding = ${quoteLiteral(detailsOf(table).encoding)}`,
    `COPY ${quoteQualified(table)}${list} FROM STDIN (FORMAT ${format})`,
    "COMMIT",
  ].join("; ");
  const doing = `load table ${table.schema}.${table.name}`;
  try {
    return await copyIn(session, sql, { bytes, isBinary: format === "binary", doing, signal });
  } catch (error) {
    if (sqlstateOf(error) !== undefined) await session.execute("ROLLBACK", { doing, signal });
    throw error;
  }
}
