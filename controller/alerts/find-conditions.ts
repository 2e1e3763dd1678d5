import type { Severity } from "../bus/fleet-event.ts";
import { readDatabases } from "../catalog/read-databases.ts";
import type { FleetDatabase } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import { missingCopies, recoverability } from "../recoverability/recoverability.ts";

/** Table 10.1, as far as the catalog can tell. */
export type AlertKind =
  | "rpo_warning"
  | "rpo_violation"
  | "copies_missing"
  | "agent_offline"
  | "backup_failed"
  | "verify_failed";

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
    ...databases.flatMap((database) => copiesCondition(database, now)),
    ...(await offlineConditions(db, now)),
    ...(await failedConditions(db, databases)),
    ...(await damagedConditions(db, databases)),
  ];
}

function rpoCondition(database: FleetDatabase, now: Date): Condition[] {
  // Copies have an alert of their own.
  const { state, reason } = recoverability({ ...database.coverage, copies: [] }, now);
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

/** A repository that a policy has just begun to name has time for its first run. */
function copiesCondition(database: FleetDatabase, now: Date): Condition[] {
  const { name, policy, coverage } = database;
  const [missing, ...others] = missingCopies(coverage, now);
  if (policy === undefined || missing === undefined || policy.repositoryUrls.length < 2) return [];
  const since = Math.max(coverage.firstSeenAt.getTime(), policy.appliedAt.getTime());
  const planned = coverage.goal?.plannedSeconds ?? 0;
  if ((now.getTime() - since) / 1000 <= planned) return [];
  const message = `${name} is not in all of its repositories: ${[missing, ...others].join("; ")}`;
  return [{ kind: "copies_missing", severity: "error", message, ...placeOf(database) }];
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

/**
 * Databases of which the last backup job that has ended, in one of their repositories, did not
 * succeed, or waits for another try.
 */
async function failedConditions(db: Db, databases: readonly FleetDatabase[]): Promise<Condition[]> {
  // Without a policy, whatever the repository was.
  const pairs = databases.flatMap(({ name, policy }) =>
    (policy?.repositoryUrls ?? [null]).map((url) => [name, url]),
  );
  const rows = await db.all(
    `select j.database, j.repository_url, j.state_document from json_each(:pairs) p
     cross join jobs j on j.id = case when p.value ->> '$[1]' is null
       then (select id from jobs where database = p.value ->> '$[0]' and kind = 'backup'
         and state in ('succeeded', 'failed', 'lost') order by updated_at desc, id desc limit 1)
       else (select id from jobs where database = p.value ->> '$[0]' and kind = 'backup'
         and repository_url = p.value ->> '$[1]' and state in ('succeeded', 'failed', 'lost')
         order by updated_at desc, id desc limit 1) end
     where j.state <> 'succeeded'
     order by p.key desc`,
    { pairs: JSON.stringify(pairs) },
  );
  const byName = new Map(databases.map((database) => [database.name, database]));
  const failures = rows.flatMap((row): Condition[] => {
    const database = byName.get(String(row["database"]));
    if (database === undefined) return [];
    const document = JSON.parse(String(row["state_document"])) as {
      failed?: { error?: { message?: string } };
      lost?: { reason?: string };
    };
    const why = document.failed?.error?.message ?? document.lost?.reason ?? "no reason is known";
    const where =
      (database.policy?.repositoryUrls.length ?? 0) > 1
        ? ` in ${String(row["repository_url"])}`
        : "";
    const message = `The last backup of ${database.name}${where} failed: ${why}`;
    return [{ kind: "backup_failed", severity: "error", message, ...placeOf(database) }];
  });
  // One alert for each database, whichever repository: that of the first.
  return [...new Map(failures.map((failure) => [failure.object, failure])).values()];
}

/** Databases of which a backup is damaged, until it is looked at again and whole, or deleted. */
async function damagedConditions(
  db: Db,
  databases: readonly FleetDatabase[],
): Promise<Condition[]> {
  const rows = await db.all(
    `select database, count(*) as count, max(id) as newest from backups
     where damaged_at is not null and deleted_at is null group by database`,
  );
  const byName = new Map(databases.map((database) => [database.name, database]));
  return rows.flatMap((row): Condition[] => {
    const database = byName.get(String(row["database"]));
    if (database === undefined) return [];
    const count = Number(row["count"]);
    const others = count > 1 ? `, and ${count - 1} more` : "";
    const message = `Backup ${String(row["newest"])} of ${database.name} is damaged${others}: dbctl backups show tells what is wrong`;
    return [{ kind: "verify_failed", severity: "critical", message, ...placeOf(database) }];
  });
}

function placeOf({ name, host, instance, database }: FleetDatabase) {
  return { object: name, host, instance, database };
}
