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
  access: Access,
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
  return {
    readPart: (part, sink, options) => readPart(session, { part, sink, ...options }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Reading extends Waiting {
  part: Part;
  sink: RowSink;
}

async function readPart(session: PostgresSession, options: Reading): Promise<void> {
  const { part, sink, signal } = options;
  const { table } = part;
  const name = quoteQualified(table);
  const columns = table.columns.map(quoteName).join(", ");
  const framing = framingOf(table);
  const format = formatOf(table);
  const copy = `COPY (SELECT ${columns} FROM ONLY ${name}${conditionOf(part)}) TO STDOUT (FORMAT ${format})`;
  const own = session.parameter("client_encoding");
  // The text of the statements is in the session's encoding, so that comes back before the next.
  const sql = [
    `LOCK TABLE ONLY ${name} IN ACCESS SHARE MODE NOWAIT`,
    `SET LOCAL client_encoding = ${quoteLiteral(detailsOf(table).encoding)}`,
    copy,
    `SET LOCAL client_encoding = ${quoteLiteral(own)}`,
  ].join("; ");
  const doing = `read table ${table.schema}.${table.name} of ${describeTarget(session.target)}`;
  try {
    await copyOut(session, sql, { sink, framing, doing, signal });
  } catch (error) {
    throw sqlstateOf(error) === "55P03" ? waiting(doing, error) : error;
  }
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

function waiting(doing: string, cause: unknown): DbctlError {
  return new DbctlError("busy", `Cannot ${doing}: a statement waits to change the table`, {
    remedy: "Try again when no DDL runs: it waits for the backup, and readers must not queue up",
    retryable: true,
    cause,
  });
}
