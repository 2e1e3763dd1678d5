import { errnoOf } from "./server-error.ts";
import type { Session } from "./session.ts";

/** One day: what a session of ours may be idle while others work. */
const idleSeconds = 86_400;

const mariadbLimits = [
  "max_statement_time = 0",
  "idle_transaction_timeout = 0",
  "idle_readonly_transaction_timeout = 0",
  "idle_write_transaction_timeout = 0",
];
/** How long a reader stands in line behind a schema change before the backup fails. */
const lockWaitSeconds = 30;

/**
 * Sets what a session must not inherit: zone, modes, character sets, time limits. The same
 * statement also takes back what the statements of an object have set.
 */
export function baseSettings({ greeting }: Session, sqlMode: string): string {
  const settings = [
    `sql_mode = '${sqlMode}'`,
    "time_zone = '+00:00'",
    "character_set_client = utf8mb4",
    "character_set_results = utf8mb4",
    "collation_connection = utf8mb4_general_ci",
    `wait_timeout = ${idleSeconds}`,
    `net_read_timeout = ${idleSeconds}`,
    `net_write_timeout = ${idleSeconds}`,
    "sql_quote_show_create = 1",
    "sql_safe_updates = 0",
    "sql_select_limit = DEFAULT",
    "autocommit = 1",
    ...(greeting.flavour === "mariadb" ? mariadbLimits : ["max_execution_time = 0"]),
  ];
  return `SET ${settings.map((setting) => `SESSION ${setting}`).join(", ")}`;
}

/** A session that reads the catalog or tables. */
export async function setUpReading(session: Session, signal: AbortSignal): Promise<void> {
  const act = "set up a session";
  const settings = `${baseSettings(session, "")}, SESSION lock_wait_timeout = ${lockWaitSeconds}`;
  await session.execute(settings, { signal, act });
  const isolation = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
  await session.execute(isolation, { signal, act });
  await leaveBinaryLog(session, signal);
}

/**
 * A reader writes nothing, but with the binary log on the server keeps its locks on tables until
 * the transaction ends, which makes schema changes wait; a session without log gives them up.
 * Where the account lacks the right (1227), the backup is as good, and schema changes wait.
 */
async function leaveBinaryLog(session: Session, signal: AbortSignal): Promise<void> {
  try {
    await session.execute("SET SESSION sql_log_bin = 0", { signal, act: "set up a session" });
  } catch (reason) {
    if (errnoOf(reason) !== 1227) throw reason;
  }
}
