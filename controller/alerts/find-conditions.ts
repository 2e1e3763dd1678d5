import type { Severity } from "../bus/fleet-event.ts";
import { readDatabases } from "../catalog/read-databases.ts";
import type { FleetDatabase } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import { recoverability } from "../recoverability/recoverability.ts";

/** Table 10.1, as far as the catalog can tell. */
export type AlertKind = "rpo_warning" | "rpo_violation" | "agent_offline" | "backup_failed";

/** Something that is wrong now. */
export interface Condition {
  kind: AlertKind;
  /** host/database, or host. */
  object: string;
  severity: Severity;
  message: string;
  host: string;
  instance: string;
  database: string;
}

const offlineMs = 120_000;

/** All that is wrong now, from facts only. */
export async function findConditions(db: Db, now: Date): Promise<Condition[]> {
  const databases = await readDatabases(db);
  return [
    ...databases.flatMap((database) => rpoCondition(database, now)),
    ...(await offlineConditions(db, now)),
    ...(await failedConditions(db, databases)),
  ];
}

function rpoCondition(database: FleetDatabase, now: Date): Condition[] {
  const { state, reason } = recoverability(database.coverage, now);
  const { name } = database;
  if (state === "violated") {
    const message = `${name} cannot be recovered as its RPO demands: ${reason}`;
    return [{ kind: "rpo_violation", severity: "critical", message, ...placeOf(database) }];
  }
  // A new database whose first run is not due yet is not worth a person's time.
  if (state !== "warning" || isNew(database, now)) return [];
  const message = `${name} will soon miss its RPO: ${reason}`;
  return [{ kind: "rpo_warning", severity: "warning", message, ...placeOf(database) }];
}

function isNew({ coverage }: FleetDatabase, now: Date): boolean {
  const { newestAt, firstSeenAt, goal } = coverage;
  const age = (now.getTime() - firstSeenAt.getTime()) / 1000;
  return newestAt === undefined && goal !== undefined && age <= goal.plannedSeconds;
}

async function offlineConditions(db: Db, now: Date): Promise<Condition[]> {
  const rows = await db.all(
    `select host, last_seen_at, coalesce(last_seen_at, enrolled_at) as since from agents
     where revoked_at is null and coalesce(last_seen_at, enrolled_at) < :before`,
    { before: new Date(now.getTime() - offlineMs).toISOString() },
  );
  return rows.map((row) => {
    const host = String(row["host"]);
    const since = String(row["since"]);
    const what = row["last_seen_at"] === null ? "was never heard, enrolled" : "is silent since";
    const message = `The agent of ${host} ${what} ${since}`;
    const place = { object: host, host, instance: "", database: "" };
    return { kind: "agent_offline", severity: "critical", message, ...place };
  });
}

/** Databases whose last backup job that has ended did not succeed, or waits for another try. */
async function failedConditions(db: Db, databases: readonly FleetDatabase[]): Promise<Condition[]> {
  const rows = await db.all(
    `select j.database, j.state_document from databases d
     cross join jobs j on j.id = (
       select id from jobs where database = d.name and kind = 'backup'
         and state in ('succeeded', 'failed', 'lost') order by updated_at desc, id desc limit 1)
     where d.dropped_at is null and j.state <> 'succeeded'`,
  );
  const byName = new Map(databases.map((database) => [database.name, database]));
  return rows.flatMap((row): Condition[] => {
    const database = byName.get(String(row["database"]));
    if (database === undefined) return [];
    const document = JSON.parse(String(row["state_document"])) as {
      failed?: { error?: { message?: string } };
      lost?: { reason?: string };
    };
    const why = document.failed?.error?.message ?? document.lost?.reason ?? "no reason is known";
    const message = `The last backup of ${database.name} failed: ${why}`;
    return [{ kind: "backup_failed", severity: "error", message, ...placeOf(database) }];
  });
}

function placeOf({ name, host, instance, database }: FleetDatabase) {
  return { object: name, host, instance, database };
}
