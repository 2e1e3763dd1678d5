import { createHash } from "node:crypto";
import type { ServerFacts, Waiting } from "../engine.ts";
import { type Login, openSession, type Row, type Session } from "./session.ts";
import { baseSettings } from "./setup-session.ts";
import { isLocal, type MysqlTarget } from "./target.ts";

/** Settings that a restored database depends on. */
const settingNames = [
  "character_set_server",
  "collation_server",
  "character_set_database",
  "collation_database",
  "sql_mode",
  "lower_case_table_names",
  "explicit_defaults_for_timestamp",
  "innodb_default_row_format",
  "innodb_page_size",
  "max_allowed_packet",
  "system_time_zone",
  "log_bin",
  "binlog_format",
];

/** Asks the server who it is. */
export async function probe(login: Login, { signal }: Waiting): Promise<ServerFacts> {
  await using session = await openSession(login, { signal });
  await session.execute(baseSettings(session, ""), { signal, act: "set up a session" });
  const variables = await readVariables(session, signal);
  const settings: Record<string, string> = {};
  for (const name of settingNames) {
    const value = variables.get(name);
    if (value !== undefined) settings[name] = value;
  }
  const { database } = login.target;
  return {
    flavour: session.greeting.flavour,
    version: session.greeting.version,
    instance: instanceId(variables),
    host: hostOf(login.target, variables.get("hostname")),
    database,
    settings,
  };
}

/** A server has one name, whether it is reached by its socket or by a loopback address. */
function hostOf(target: MysqlTarget, ownName: string | undefined): string {
  if (target.at.kind === "tcp" && !isLocal(target)) return target.at.host;
  return ownName ?? "localhost";
}

async function readVariables(session: Session, signal: AbortSignal): Promise<Map<string, string>> {
  const wanted = [...settingNames, "server_uuid", "server_uid", "hostname", "port", "datadir"];
  const names = wanted.map((name) => `'${name}'`).join(", ");
  const rows = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`, {
    signal,
    act: "read the server's settings",
  });
  const entry = (row: Row): [string, string] => [row["Variable_name"] ?? "", row["Value"] ?? ""];
  return new Map(rows.map(entry));
}

/**
 * MySQL keeps a uuid of its own. MariaDB has nothing of that kind, so its id is made of what tells
 * servers apart: host name, port, data directory and, from 10.5.26 on, `server_uid` (a network
 * address and the port). It stays through restarts; it changes when the server moves, which costs
 * one full backup, while two servers with one id would mix their backups.
 */
function instanceId(variables: Map<string, string>): string {
  const uuid = variables.get("server_uuid");
  if (uuid !== undefined && /^[0-9a-f-]{36}$/i.test(uuid)) return uuid.toLowerCase();
  const parts = ["hostname", "port", "datadir", "server_uid"].map(
    (name) => variables.get(name) ?? "",
  );
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 32);
}
