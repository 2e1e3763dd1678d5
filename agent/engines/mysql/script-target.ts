import { DbctlError } from "../../../core/errors.ts";
import type { Waiting } from "../engine.ts";
import { retryDeadlocks } from "../retry-deadlocks.ts";
import type {
  RunOptions,
  ScriptServer,
  ScriptSession,
  ScriptStatement,
  ScriptTarget,
} from "../script-target.ts";
import { refuseLosses } from "./script-warnings.ts";
import { errnoOf } from "./server-error.ts";
import { type Login, openSession, type Session } from "./session.ts";
import { baseSettings } from "./setup-session.ts";

/** MySQL or MariaDB for statements of others. */
export function createScriptTarget(login: Login): ScriptTarget {
  return {
    inspect: (options) => inspect(login, options),
    openSession: (options) => open(login, options),
  };
}

/** Rights that reach beyond the databases of their owner. */
const wideRights = /^GRANT (?:.*\b)?(?:ALL PRIVILEGES|SUPER|FILE)\b.* ON \*\.\* TO /;

async function inspect(login: Login, { signal }: Waiting): Promise<ScriptServer> {
  await using session = await openSession(login, { signal, database: null });
  const { flavour, version } = session.greeting;
  const act = "ask who logged in";
  const [row] = await session.query("SELECT CURRENT_USER() AS user, @@max_allowed_packet AS most", {
    signal,
    act,
  });
  const grants = await session.query("SHOW GRANTS", { signal, act });
  return {
    flavour,
    version,
    user: row?.["user"] ?? login.target.user,
    isSuperuser: grants.some((grant) => wideRights.test(Object.values(grant)[0] ?? "")),
    roles: new Set(),
    // The statement's own byte for its kind counts as well.
    statementLimit: Number(row?.["most"] ?? 0) - 1,
  };
}

async function open(
  login: Login,
  { database, signal }: { database: string } & Waiting,
): Promise<ScriptSession> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(login, { signal, database }));
  const act = "set up a session";
  await session.execute(baseSettings(session, ""), { signal, act });
  const owned = stack.move();
  return {
    run: (sql, options) => run(session, sql, options),
    runAll: (statements, options) => runAll(session, statements, options),
    copy: () => Promise.reject(noCopy()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** ER_EMPTY_QUERY: a comment for servers of other versions may be all that the statement is. */
const emptyQuery = 1065;

async function run(session: Session, sql: Uint8Array, { act, signal }: RunOptions): Promise<void> {
  try {
    const { warnings } = await session.run(sql, { act, signal });
    if (warnings > 0) await refuseLosses(session, sql, { act, signal });
  } catch (error) {
    if (errnoOf(error) !== emptyQuery) throw error;
  }
}

/** ER_LOCK_DEADLOCK: the whole transaction is rolled back, so that it can begin again. */
const deadlock = 1213;

function runAll(
  session: Session,
  statements: readonly ScriptStatement[],
  { signal }: Waiting,
): Promise<void> {
  const isDeadlock = (error: unknown) => errnoOf(error) === deadlock;
  const run = () => runTogether(session, statements, signal);
  return retryDeadlocks(run, { isDeadlock, signal });
}

async function runTogether(
  session: Session,
  statements: readonly ScriptStatement[],
  signal: AbortSignal,
): Promise<void> {
  const act = "begin a transaction";
  if (statements.length > 1) await session.execute("START TRANSACTION", { act, signal });
  try {
    for (const { sql, act } of statements) await run(session, sql, { act, signal });
    if (statements.length > 1) await session.execute("COMMIT", { act: "commit rows", signal });
  } catch (error) {
    if (session.usable && statements.length > 1)
      await session.execute("ROLLBACK", { act: "roll back rows", signal });
    throw error;
  }
}

function noCopy(): DbctlError {
  return new DbctlError(
    "engine-unsupported",
    "Cannot run a COPY: the server has no such statement",
    {
      remedy: "Import the dump into PostgreSQL",
    },
  );
}
