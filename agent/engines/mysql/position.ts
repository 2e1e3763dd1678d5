import { versionNumber } from "./handshake.ts";
import type { Session } from "./session.ts";

/**
 * Where the server's binary log is, on a session whose view was begun while writers stand still:
 * `{ gtid, file, offset }`; empty when the server writes no log.
 */
export async function readPosition(
  session: Session,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const act = "read the position in the binary log";
  const [log] = await session.query("SELECT @@GLOBAL.log_bin AS on_", { signal, act });
  if (log?.["on_"] !== "1") return {};
  return session.greeting.flavour === "mariadb"
    ? await readMariadbPosition(session, { signal, act })
    : await readMysqlPosition(session, { signal, act });
}

interface Reading {
  signal: AbortSignal;
  act: string;
}

/** The view itself knows its position (MariaDB manual, "Binlog_snapshot_file"): no right needed. */
async function readMariadbPosition(session: Session, reading: Reading) {
  const rows = await session.query(
    "SHOW SESSION STATUS WHERE Variable_name IN ('Binlog_snapshot_file', 'Binlog_snapshot_position')",
    reading,
  );
  const status = new Map(rows.map((row) => [row["Variable_name"], row["Value"] ?? ""]));
  const [gtid] = await session.query("SELECT @@GLOBAL.gtid_binlog_pos AS gtid", reading);
  return {
    gtid: gtid?.["gtid"] ?? "",
    file: status.get("Binlog_snapshot_file") ?? "",
    offset: status.get("Binlog_snapshot_position") ?? "",
  };
}

async function readMysqlPosition(session: Session, reading: Reading) {
  const isNew = versionNumber(session.greeting.version) >= 804;
  const sql = isNew ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
  const [row] = await session.query(sql, reading);
  return {
    gtid: (row?.["Executed_Gtid_Set"] ?? "").replaceAll("\n", ""),
    file: row?.["File"] ?? "",
    offset: row?.["Position"] ?? "",
  };
}
