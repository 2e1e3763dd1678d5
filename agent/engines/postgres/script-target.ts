import type {
  ScriptServer,
  ScriptSession,
  ScriptStatement,
  ScriptTarget,
} from "../script-target.ts";
import type { Waiting } from "../engine.ts";
import { retryDeadlocks } from "../retry-deadlocks.ts";
import { copyIn } from "./copy-in.ts";
import { maintenanceOf } from "./create-database.ts";
import { encodeMessage, uint32, violation } from "./messages.ts";
import { sqlstateOf } from "./server-error.ts";
import { openSession, type PostgresSession, type StatementOptions, type Turn } from "./session.ts";
import { applySettings } from "./session-settings.ts";
import type { Access } from "./snapshot.ts";

/** The longest message that a server takes. Source: MaxAllocSize, utils/memutils.h. */
const statementLimit = 0x3fffffff;

/** What a script may rely on that our sessions have otherwise; the memory is for index builds. */
const scriptSettings = {
  search_path: '"$user", public',
  row_security: "on",
  maintenance_work_mem: "256MB",
};

/** PostgreSQL for statements of others. */
export function createScriptTarget(access: Access): ScriptTarget {
  return {
    inspect: (options) => inspect(access, options),
    openSession: (options) => open(access, options),
  };
}

async function inspect(access: Access, { signal }: Waiting): Promise<ScriptServer> {
  const place = { ...access, target: maintenanceOf(access.target), signal };
  await using session = await openSession(place.target, place);
  const rows = await session.query(
    `SELECT rolname AS name, rolsuper AS super, rolname = current_user AS own
     FROM pg_catalog.pg_roles`,
  );
  const row = rows.find(({ own }) => own === "t");
  return {
    flavour: "postgres",
    version: session.version,
    user: row?.["name"] ?? access.target.user,
    isSuperuser: row?.["super"] !== "f",
    roles: new Set(rows.flatMap(({ name }) => name ?? [])),
    statementLimit,
  };
}

async function open(
  access: Access,
  { database, signal }: { database: string } & Waiting,
): Promise<ScriptSession> {
  await using stack = new AsyncDisposableStack();
  const target = { ...access.target, database };
  const session = stack.use(await openSession(target, { ...access, signal }));
  await applySettings(session, scriptSettings);
  const owned = stack.move();
  return {
    run: (sql, { act, signal }) => runUnlessSo(session, sql, { doing: act, signal }),
    runAll: (statements, { signal }) => runAll(session, statements, signal),
    copy: (sql, { act, rows, signal }) =>
      copyIn(session, sql, { doing: act, bytes: rows, isBinary: false, signal }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Statements that fail because what they want is so already, by their SQLSTATE (manual, "PostgreSQL
 * Error Codes"): a dump that first drops everything meets a target that has nothing of it, one of
 * another release switches off what this one does not have, and one of a schema makes `public`.
 */
const alreadySo: { pattern: RegExp; states: string[] }[] = [
  {
    pattern: /^(?:DROP|ALTER TABLE (?:IF EXISTS )?(?:ONLY )?\S+ DROP)\b/i,
    states: ["42P01", "42704", "42883", "3F000"],
  },
  { pattern: /^SET \w+ = (?:0|false|off|heap)$/i, states: ["42704"] },
  { pattern: /^CREATE SCHEMA public$/i, states: ["42P06"] },
];

async function runUnlessSo(
  session: PostgresSession,
  sql: Uint8Array,
  options: StatementOptions,
): Promise<void> {
  try {
    await run(session, sql, options);
  } catch (error) {
    const text = Buffer.from(sql.subarray(0, 1000)).toString("latin1");
    const state = sqlstateOf(error) ?? "";
    const isSo = alreadySo.some(
      ({ pattern, states }) => states.includes(state) && pattern.test(text),
    );
    if (!isSo) throw error;
  }
}

/** No parameters, no formats. */
const noParameters = Buffer.alloc(6);
/** Messages of a statement without parameters whose result nobody wants. */
const expected = new Set(["1", "2", "C", "D", "I", "n", "T"]);

function run(session: PostgresSession, sql: Uint8Array, options: StatementOptions): Promise<void> {
  return session.exchange(options, async (turn) => {
    await turn.wire.write(...encodeStatement(sql), encodeMessage("S"));
    await readToReady(turn);
  });
}

function runAll(
  session: PostgresSession,
  statements: readonly ScriptStatement[],
  signal: AbortSignal,
): Promise<void> {
  const isDeadlock = (error: unknown) => sqlstateOf(error) === "40P01";
  const run = () => runTogether(session, statements, signal);
  return retryDeadlocks(run, { isDeadlock, signal });
}

/** Sent at once with one Sync behind all, they are one transaction. Manual, "Pipelining". */
function runTogether(
  session: PostgresSession,
  statements: readonly ScriptStatement[],
  signal: AbortSignal,
): Promise<void> {
  let ended = 0;
  const doing = () => statements[Math.min(ended, statements.length - 1)]?.act ?? "run a statement";
  return session.exchange({ doing, signal }, async (turn) => {
    const messages = statements.flatMap(({ sql }) => encodeStatement(sql));
    await turn.wire.write(Buffer.concat([...messages, encodeMessage("S")]));
    await readToReady(turn, () => ended++);
  });
}

/**
 * Manual, "Extended Query": of several statements in one text, which a lexer that differs from the
 * server's could make, this protocol runs none.
 */
function encodeStatement(sql: Uint8Array): Buffer[] {
  return [
    encodeMessage("P", "", sql, Buffer.alloc(3)),
    encodeMessage("B", "", "", noParameters),
    encodeMessage("E", "", uint32(0)),
  ];
}

async function readToReady(
  { readMessage }: Turn,
  onEnded: () => void = () => undefined,
): Promise<void> {
  for (;;) {
    const { type } = await readMessage();
    if (type === "Z") return;
    if (!expected.has(type)) throw violation(`a message "${type}" came as answer to a statement`);
    if (type === "C" || type === "I") onEnded();
  }
}
