import { DbctlError } from "../../../core/errors.ts";
import { quoteLiteral } from "./quote.ts";
import type { PostgresSession } from "./session.ts";
import { describeTarget } from "./target.ts";

/** The oldest release that is supported. */
const oldestMajor = 10;

/**
 * What every session of ours relies on and never inherits from role, database or server. The list
 * is pg_dump's (setup_connection), and our own time limits.
 */
const common: Record<string, string> = {
  search_path: "",
  application_name: "dbctl",
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  idle_session_timeout: "0",
  transaction_timeout: "0",
  row_security: "off",
  synchronize_seqscans: "off",
  standard_conforming_strings: "on",
  datestyle: "ISO, MDY",
  intervalstyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  timezone: "UTC",
  quote_all_identifiers: "off",
  default_transaction_isolation: "read committed",
  default_transaction_read_only: "off",
  default_transaction_deferrable: "off",
  client_min_messages: "warning",
  lc_monetary: "C",
  xmloption: "content",
};

/**
 * For sessions that read: a table that was swapped for a view must not run its code with our
 * rights (CVE-2024-7348).
 */
export const readerSettings = { restrict_nonsystem_relation_kind: "view, foreign-table" };

/**
 * For sessions that build and load. Nothing but what any session may set; the memory is for index
 * builds, of which each loader runs one at a time.
 */
export const loaderSettings = {
  check_function_bodies: "off",
  lock_timeout: "30s",
  maintenance_work_mem: "256MB",
  max_parallel_maintenance_workers: "0",
  work_mem: "32MB",
};

/** Encodings whose text cannot be had as UTF-8; `text.ts` keeps its bytes. */
const inconvertible = ["SQL_ASCII", "MULE_INTERNAL"];

export async function setUpSession(session: PostgresSession): Promise<void> {
  if (!(session.major >= oldestMajor)) throw tooOld(session);
  const own = inconvertible.includes(session.encoding);
  await applySettings(session, { ...common, client_encoding: own ? session.encoding : "UTF8" });
  const [row] = await session.query("SELECT pg_catalog.pg_backend_pid() AS pid");
  if (Number(row?.["pid"]) !== session.pid) throw pooled(session);
}

/** Sets those of the settings that this release has. */
export async function applySettings(
  session: PostgresSession,
  settings: Record<string, string>,
): Promise<void> {
  const rows = Object.entries(settings).map(
    ([name, value]) => `(${quoteLiteral(name)}, ${quoteLiteral(value)})`,
  );
  await session.query(
    `SELECT pg_catalog.set_config(wanted.name, wanted.value, false)
     FROM (VALUES ${rows.join(", ")}) AS wanted (name, value)
     JOIN pg_catalog.pg_settings AS offered ON pg_catalog.lower(offered.name) = wanted.name`,
    { doing: `set up the session with ${describeTarget(session.target)}` },
  );
}

function tooOld(session: PostgresSession): DbctlError {
  return new DbctlError(
    "engine-unsupported",
    `Cannot use ${describeTarget(session.target)}: it is PostgreSQL ${session.version}`,
    { remedy: `The oldest supported release is ${oldestMajor}` },
  );
}

function pooled(session: PostgresSession): DbctlError {
  return new DbctlError(
    "engine-unsupported",
    `Cannot use ${describeTarget(session.target)}: a connection pooler stands before the server`,
    { remedy: "Give the server's own host and port: a pooler loses snapshots, locks and settings" },
  );
}
