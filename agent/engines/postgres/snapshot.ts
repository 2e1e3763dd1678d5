import { setTimeout as sleep } from "node:timers/promises";
import type { Secret } from "../../../core/secret.ts";
import { DbctlError } from "../../../core/errors.ts";
import type { Snapshot, SnapshotOptions } from "../engine.ts";
import { cutParts } from "./cut-parts.ts";
import { listObjects } from "./list-objects.ts";
import { quoteLiteral, quoteQualified } from "./quote.ts";
import { sqlstateOf } from "./server-error.ts";
import { openSession, type PostgresSession, type Row } from "./session.ts";
import { applySettings, readerSettings } from "./session-settings.ts";
import { listLockable, listTables } from "./tables.ts";
import { describeTarget, type PostgresTarget } from "./target.ts";

/** The way to a database and its password. */
export interface Access {
  target: PostgresTarget;
  password: Secret | undefined;
}

/** How long a lock is waited for, and the pauses between tries; tests have less patience. */
export interface Patience {
  lockTimeoutMs: number;
  pausesMs: readonly number[];
}

const patience: Patience = { lockTimeoutMs: 30_000, pausesMs: [1_000, 5_000, 10_000, 20_000] };
const locksPerStatement = 500;

/** All reading of a snapshot happens in such a transaction. */
export const beginReading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/**
 * Opens the leader: it holds a lock on every table, so that none is dropped, emptied or rewritten,
 * and its transaction keeps the snapshot that the readers import.
 */
export async function openLeader(
  access: Access & Partial<Patience>,
  options: SnapshotOptions,
): Promise<Snapshot> {
  const { signal } = options;
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(access.target, { ...access, signal }));
  await applySettings(session, readerSettings);
  const { snapshot, lsn } = await pin(session, { ...patience, ...access, signal });
  await options.startReaders({ kind: "postgres", snapshot });
  const owned = stack.move();
  return {
    position: { lsn },
    listObjects: () => listObjects(session),
    listTables: () => listTables(session),
    cutParts: (table) => cutParts(session, table),
    assertAlive: () => assertAlive(session),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface View {
  snapshot: string;
  lsn: string;
}

type Pinning = Patience & { signal: AbortSignal };

/** Tries until no table has changed between its lock and the snapshot. */
async function pin(session: PostgresSession, options: Pinning): Promise<View> {
  let refusal: DbctlError | undefined;
  for (const pauseMs of [0, ...options.pausesMs]) {
    if (refusal !== undefined) await pause(pauseMs, options.signal);
    const tables = await listLockable(session);
    await session.execute(`${beginReading}; SET LOCAL lock_timeout = ${options.lockTimeoutMs}`);
    try {
      await lockTables(session, tables);
      const view = await exportSnapshot(session);
      const seen = await listLockable(session);
      if (JSON.stringify(seen) === JSON.stringify(tables)) return view;
      refusal = changed(session);
    } catch (error) {
      if (!isPassing(error)) throw error;
      refusal = error;
    }
    await session.execute("ROLLBACK");
    if (refusal.code === "busy") refusal = await nameBlockers(session, { refusal, tables });
  }
  throw refusal;
}

/** In the order of oids. LOCK TABLE takes no snapshot, so the snapshot comes after all locks. */
async function lockTables(session: PostgresSession, tables: Row[]): Promise<void> {
  const names = tables.map(
    ({ schema, name }) => `ONLY ${quoteQualified({ schema: schema ?? "", name: name ?? "" })}`,
  );
  for (let at = 0; at < names.length; at += locksPerStatement) {
    const some = names.slice(at, at + locksPerStatement).join(", ");
    await session.execute(`LOCK TABLE ${some} IN ACCESS SHARE MODE`, {
      doing: `lock the tables of ${describeTarget(session.target)} for reading`,
    });
  }
}

async function exportSnapshot(session: PostgresSession): Promise<View> {
  const [row] = await session.query(
    `SELECT pg_catalog.pg_export_snapshot() AS snapshot,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
         ELSE pg_catalog.pg_current_wal_lsn() END AS lsn`,
    { doing: `export a snapshot of ${describeTarget(session.target)}` },
  );
  return { snapshot: row?.["snapshot"] ?? "", lsn: row?.["lsn"] ?? "" };
}

/** Errors of a table that somebody else changes, renames or drops just now. */
const passing = {
  "40P01": "deadlock_detected",
  "42P01": "undefined_table",
  "42809": "wrong_object_type",
  "3F000": "invalid_schema_name",
  "55P03": "lock_not_available",
};

function isPassing(error: unknown): error is DbctlError {
  return (sqlstateOf(error) ?? "") in passing;
}

/** The same error, with the processes that hold or want the locks. */
async function nameBlockers(
  session: PostgresSession,
  { refusal, tables }: { refusal: DbctlError; tables: Row[] },
): Promise<DbctlError> {
  const oids = tables.map(({ oid }) => quoteLiteral(oid ?? "")).join(", ");
  const rows = await session.query(
    `SELECT DISTINCT l.relation::pg_catalog.regclass AS name, l.pid,
       pg_catalog."left"(a.query, 200) AS statement
     FROM pg_catalog.pg_locks AS l
     LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
       AND l.relation IN (${oids}) LIMIT 5`,
  );
  const blockers = rows.map(
    (row) => `${row["name"]} by process ${row["pid"]} (${row["statement"] ?? "not known"})`,
  );
  const who = blockers.length === 0 ? "" : `; locked: ${blockers.join(", ")}`;
  return new DbctlError("busy", `${refusal.message}${who}`, {
    remedy: "Try again when no DDL runs, or end the process that holds the lock",
    retryable: true,
    cause: refusal,
  });
}

function changed(session: PostgresSession): DbctlError {
  return new DbctlError(
    "engine-refused",
    `Cannot open a snapshot of ${describeTarget(session.target)}: its tables change all the time`,
    { remedy: "Try again when no tables are created, dropped or emptied", retryable: true },
  );
}

async function assertAlive(session: PostgresSession): Promise<void> {
  await session.execute("SELECT 1", {
    doing: `keep the snapshot of ${describeTarget(session.target)}`,
  });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
