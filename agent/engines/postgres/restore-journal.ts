import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../../core/errors.ts";
import type { RestoreOrigin, RestorePlan, Waiting } from "../engine.ts";
import {
  checkHead,
  encodeHead,
  headStep,
  type JournalHead,
  journalName,
  parseHead,
  restoreRuns,
} from "../restore-journal.ts";
import { quoteLiteral } from "./quote.ts";
import { openSession, type PostgresSession } from "./session.ts";
import type { Access } from "./snapshot.ts";
import { describeTarget } from "./target.ts";

/** The journal of a restore, held by a session that keeps other restores out. */
export interface Journal extends AsyncDisposable {
  readonly done: ReadonlySet<string>;
  readonly created: boolean;
  finish(options: Waiting): Promise<void>;
}

const table = `${journalName}.step`;
/** Of the advisory lock, which holds in one database: any number that nobody else will take. */
const lockKey = "2443848302996280720";
/** How long a server may take to notice that a client was killed. */
const noticingMs = 2_000;
/** How long what is left of a killed restore is waited for after it was told to end. */
const endingMs = 30_000;

/** The statement that makes a step's record a part of the transaction that it is run in. */
export function recordStep(step: string): string {
  return `INSERT INTO ${table} (name) VALUES (${quoteLiteral(step)})`;
}

/** Begins a journal in a database that has none. */
export async function createJournal(
  access: Access,
  { signal, ...head }: { origin: RestoreOrigin; created: boolean } & Waiting,
): Promise<Journal> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(access.target, { ...access, signal }));
  const doing = `keep a journal of the restore into ${describeTarget(access.target)}`;
  await holdAlone(session, signal);
  const values = `${quoteLiteral(headStep)}, ${quoteLiteral(encodeHead(head))}`;
  // Several statements in one message are one transaction (manual, "Simple Query").
  await session.execute(
    `CREATE SCHEMA ${journalName};
     CREATE TABLE ${table} (name text PRIMARY KEY, detail text,
       at timestamptz NOT NULL DEFAULT pg_catalog.now());
     INSERT INTO ${table} (name, detail) VALUES (${values})`,
    { doing },
  );
  return own(access, stack.move(), { done: new Set(), created: head.created });
}

/** Takes over the journal of a restore that was cut short. */
export async function resumeJournal(
  access: Access,
  { plan, signal }: { plan: RestorePlan } & Waiting,
): Promise<Journal> {
  const target = describeTarget(access.target);
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(access.target, { ...access, signal }));
  const { created } = checkHead(await readJournal(session), { origin: plan.origin, target });
  await holdAlone(session, signal);
  await endLeftovers(session, signal);
  const rows = await session.query(
    `SELECT name FROM ${table} WHERE name <> ${quoteLiteral(headStep)}`,
    { doing: `read the journal of the restore into ${target}` },
  );
  const done = new Set(rows.map((row) => row["name"] ?? ""));
  return own(access, stack.move(), { done, created });
}

/** The head of the journal that is in the session's database, if there is one. */
export async function readJournal(session: PostgresSession): Promise<JournalHead | undefined> {
  if (!(await hasJournal(session))) return undefined;
  const rows = await session.query(
    `SELECT detail FROM ${table} WHERE name = ${quoteLiteral(headStep)}`,
    { doing: `read the journal of the restore into ${describeTarget(session.target)}` },
  );
  return parseHead(rows[0]?.["detail"]);
}

async function hasJournal(session: PostgresSession): Promise<boolean> {
  const [row] = await session.query(
    `SELECT pg_catalog.to_regclass(${quoteLiteral(table)}) IS NOT NULL AS there`,
  );
  return row?.["there"] === "t";
}

function own(
  access: Access,
  stack: AsyncDisposableStack,
  { done, created }: Pick<Journal, "done" | "created">,
): Journal {
  return {
    done,
    created,
    finish: (options) => drop(access, options),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Until the session ends. It ends with its process, which the server may notice a little later. */
async function holdAlone(session: PostgresSession, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += 50) {
    const [row] = await session.query(`SELECT pg_catalog.pg_try_advisory_lock(${lockKey}) AS held`);
    if (row?.["held"] === "t") return;
    if (waitedMs > noticingMs) throw restoreRuns(describeTarget(session.target));
    await sleep(50, undefined, { signal });
  }
}

/**
 * A server goes on with a statement whose client was killed. Every step begins with its record, so
 * that whoever works on one holds a lock on the journal: those sessions are ended and waited for.
 */
async function endLeftovers(session: PostgresSession, signal: AbortSignal): Promise<void> {
  const find = `SELECT DISTINCT l.pid FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.pid <> pg_catalog.pg_backend_pid()
      AND l.relation = ${quoteLiteral(table)}::pg_catalog.regclass
      AND l.database = (SELECT oid FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database())`;
  const doing = `end what is left of the restore into ${describeTarget(session.target)}`;
  const end = `SELECT pg_catalog.pg_terminate_backend(pid) FROM (${find}) AS left_over`;
  await session.query(end, { doing });
  for (let waitedMs = 0; ; waitedMs += 50) {
    const [one] = await session.query(find, { doing });
    if (one === undefined) return;
    if (waitedMs > endingMs) throw lingering(session, one["pid"] ?? "");
    await sleep(50, undefined, { signal });
  }
}

function lingering(session: PostgresSession, pid: string): DbctlError {
  const target = describeTarget(session.target);
  return new DbctlError(
    "busy",
    `Cannot resume the restore into ${target}: process ${pid} of the one before does not end`,
    { remedy: `Wait until process ${pid} of the server is gone, then try again`, retryable: true },
  );
}

const enabling: Record<string, string> = { O: "ENABLE", R: "ENABLE REPLICA", A: "ENABLE ALWAYS" };

/**
 * The restored database's own event triggers must not see this, nor forbid it. In a session of its
 * own: the one that holds the lock was idle for hours, and may have been lost.
 */
async function drop(access: Access, options: Waiting): Promise<void> {
  await using session = await openSession(access.target, { ...access, ...options });
  const triggers = await session.query(
    `SELECT pg_catalog.quote_ident(evtname) AS name, evtenabled AS state
     FROM pg_catalog.pg_event_trigger
     WHERE evtenabled <> 'D' AND pg_catalog.pg_has_role(evtowner, 'USAGE')`,
    options,
  );
  const alter = (name: string | null | undefined, state: string) =>
    `ALTER EVENT TRIGGER ${name} ${state}`;
  const off = triggers.map(({ name }) => alter(name, "DISABLE"));
  const on = triggers.map(({ name, state }) => alter(name, enabling[state ?? ""] ?? "ENABLE"));
  const statements = [...off, `DROP SCHEMA ${journalName} CASCADE`, ...on];
  const doing = `drop the journal of the restore into ${describeTarget(access.target)}`;
  await session.execute(statements.join("; "), { ...options, doing });
}
