import type { Loader, LoadOptions, SchemaObject, TableData, Waiting } from "../engine.ts";
import { copyIn } from "./copy-in.ts";
import { quoteLiteral, quoteName, quoteQualified } from "./quote.ts";
import { formatOf } from "./reader.ts";
import { recordStep } from "./restore-journal.ts";
import { sqlstateOf } from "./server-error.ts";
import { openSession, type PostgresSession, type StatementOptions } from "./session.ts";
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
  { object, step, signal }: { object: SchemaObject } & LoadOptions,
): Promise<void> {
  const doing = `build ${object.kind} ${object.name}`;
  // Several statements in one message are one transaction (manual, "Simple Query").
  const statements =
    step === undefined
      ? object.statements
      : [[recordStep(step), ...object.statements].join("\n;\n")];
  for (const statement of statements) await run(session, statement, { doing, signal });
}

const deadlockLimit = 10;

/**
 * Loaders that build side by side may need the same table: the one that comes second waits as long
 * as the first works, and of two that wait for each other one begins again. Statements that failed
 * have changed nothing.
 */
async function run(
  session: PostgresSession,
  statement: string,
  options: { doing: string } & Waiting,
): Promise<void> {
  let isLast = false;
  for (let deadlocks = 0; ;)
    try {
      return await session.execute(statement, options);
    } catch (error) {
      const sqlstate = sqlstateOf(error);
      const isDeadlock = sqlstate === "40P01" && ++deadlocks < deadlockLimit;
      if (!isDeadlock && (sqlstate !== "55P03" || isLast)) throw error;
      // When nobody works any more, the lock may have become free just after we gave up.
      isLast = sqlstate === "55P03" && !(await othersWork(session, options));
    }
}

async function othersWork(session: PostgresSession, options: StatementOptions): Promise<boolean> {
  const rows = await session.query(
    `SELECT FROM pg_catalog.pg_stat_activity
     WHERE datname = pg_catalog.current_database() AND application_name = 'dbctl'
       AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'
       AND pid <> pg_catalog.pg_backend_pid() LIMIT 1`,
    options,
  );
  return rows.length > 0;
}

interface Loading extends LoadOptions {
  table: TableData;
  bytes: AsyncIterable<Uint8Array>;
}

async function load(session: PostgresSession, options: Loading): Promise<number> {
  const { table, bytes, step, signal } = options;
  const format = formatOf(table);
  // A list of no columns cannot be written; a table without any needs none.
  const columns = table.columns.map(quoteName).join(", ");
  const list = columns === "" ? "" : ` (${columns})`;
  const sql = [
    "BEGIN",
    `SET LOCAL client_encoding = ${quoteLiteral(detailsOf(table).encoding)}`,
    ...(step === undefined ? [] : [recordStep(step)]),
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
