import type { Db } from "../database/database.ts";

export interface Alert {
  id: string;
  kind: string;
  /** host/database, or host. */
  object: string;
  severity: string;
  state: string;
  message: string;
  openedAt: Date;
  resolvedAt?: Date;
}

/** Open ones before others, the newest first; only open ones unless told. */
export async function listAlerts(
  db: Db,
  { includeResolved, limit }: { includeResolved: boolean; limit: number },
): Promise<Alert[]> {
  const rows = await db.all(
    `select * from alerts where state = 'open' or :all = 1
     order by state = 'open' desc, opened_at desc, id desc limit :limit`,
    { all: includeResolved ? 1 : 0, limit },
  );
  return rows.map((row) => ({
    id: String(row["id"]),
    kind: String(row["kind"]),
    object: String(row["object"]),
    severity: String(row["severity"]),
    state: String(row["state"]),
    message: String(row["message"]),
    openedAt: new Date(String(row["opened_at"])),
    ...(row["resolved_at"] === null ? {} : { resolvedAt: new Date(String(row["resolved_at"])) }),
  }));
}
