import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../../core/errors.ts";
import type { RowSink } from "../../pipeline/row-sink.ts";
import type { Part, PartReader, SnapshotTicket, TableData, Waiting } from "../engine.ts";
import { copyOut } from "./copy-out.ts";
import { conditionOf } from "./cut-parts.ts";
import { quoteLiteral, quoteName, quoteQualified } from "./quote.ts";
import { sqlstateOf } from "./server-error.ts";
import { openSession, type PostgresSession } from "./session.ts";
import { applySettings, readerSettings } from "./session-settings.ts";
import { type Access, beginReading } from "./snapshot.ts";
import { detailsOf } from "./tables.ts";
import { describeTarget } from "./target.ts";

/** Joins the snapshot of a leader. */
export async function openReader(
  access: Access & { lockPausesMs?: readonly number[] },
  ticket: SnapshotTicket,
  { signal }: Waiting,
): Promise<PartReader> {
  if (ticket.kind !== "postgres") throw new TypeError(`Cannot read with a ${ticket.kind} ticket`);
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(access.target, { ...access, signal }));
  await applySettings(session, readerSettings);
  await session.execute(
    `${beginReading}; SET TRANSACTION SNAPSHOT ${quoteLiteral(ticket.snapshot)}`,
    { doing: `join the snapshot of ${describeTarget(access.target)}` },
  );
  const owned = stack.move();
  const pausesMs = access.lockPausesMs ?? lockPausesMs;
  return {
    readPart: (part, sink, options) => readPart(session, { part, sink, pausesMs, ...options }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A statement that waits to change a table often gives up by itself after a while. */
const lockPausesMs = [500, 1_000, 2_000, 4_000, 8_000];

interface Reading extends Waiting {
  part: Part;
  sink: RowSink;
  pausesMs: readonly number[];
}

/** The lock goes with the savepoint, and the session's encoding comes back with it. */
async function readPart(session: PostgresSession, options: Reading): Promise<void> {
  const { part, sink, signal } = options;
  const { table } = part;
  const doing = `read table ${table.schema}.${table.name} of ${describeTarget(session.target)}`;
  await lockTable(session, { ...options, doing });
  const sql = `SET LOCAL client_encoding = ${quoteLiteral(detailsOf(table).encoding)};
    ${copyStatement(part)}; ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part`;
  await copyOut(session, sql, { sink, framing: framingOf(table), doing, signal });
}

/** Never waits in the queue: whoever waits there for the leader's lock would be waited for. */
async function lockTable(
  session: PostgresSession,
  { part, pausesMs, doing, signal }: Reading & { doing: string },
): Promise<void> {
  const lock = `LOCK TABLE ONLY ${quoteQualified(part.table)} IN ACCESS SHARE MODE NOWAIT`;
  for (const pauseMs of [...pausesMs, undefined])
    try {
      return await session.execute(`SAVEPOINT part; ${lock}`, { doing, signal });
    } catch (error) {
      if (sqlstateOf(error) !== "55P03") throw error;
      await session.execute("ROLLBACK TO SAVEPOINT part", { doing, signal });
      if (pauseMs === undefined) throw queuedUp(doing, error);
      await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
}

function copyStatement(part: Part): string {
  const columns = part.table.columns.map(quoteName).join(", ");
  const rows = `SELECT ${columns} FROM ONLY ${quoteQualified(part.table)}${conditionOf(part)}`;
  return `COPY (${rows}) TO STDOUT (FORMAT ${formatOf(part.table)})`;
}

/** How the rows of a table lie in chunks; the names are part of the repository's format. */
export function formatOf({ format, schema, name }: TableData): "binary" | "text" {
  if (format === "postgres-copy-binary") return "binary";
  if (format === "postgres-copy-text") return "text";
  throw new DbctlError("repository-newer", `Cannot use ${schema}.${name}: format "${format}"`, {
    remedy: "Use the dbctl version that wrote the backup, or a newer one",
  });
}

function framingOf(table: TableData) {
  return formatOf(table) === "binary" ? "postgres-copy-binary" : "postgres-copy-text";
}

function queuedUp(doing: string, cause: unknown): DbctlError {
  return new DbctlError("busy", `Cannot ${doing}: a statement waits to change the table`, {
    remedy: "Try again when no DDL runs: it waits for the backup, and readers must not queue up",
    retryable: true,
    cause,
  });
}
