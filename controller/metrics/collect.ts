import { listAgents } from "../agents/list-agents.ts";
import { outboxOldestSeconds } from "../bus/outbox.ts";
import { type FleetDatabase, readDatabases } from "../catalog/read-databases.ts";
import { forgottenType } from "../catalog/forget-history.ts";
import type { Db, Row } from "../database/database.ts";
import { recoverability } from "../recoverability/recoverability.ts";
import { Series } from "./series.ts";

/** Computes all figures from the catalog, so that they are the same after a restart. */
export async function collect(
  db: Db,
  { version, cap }: { version: string; cap?: number },
  now: Date,
): Promise<string> {
  const series = new Series(cap);
  series.add("scrape_timestamp", now);
  series.add("build_info", 1, { version });
  series.add("outbox_oldest_seconds", await outboxOldestSeconds(db, now));
  await addJobs(db, series);
  await addAlerts(db, series);
  await addAgents(db, series, now);
  const databases = await readDatabases(db);
  for (const database of databases) addRecoverability(series, database, now);
  await addBackups(db, series, databases);
  await addTotals(db, series, databases);
  return await series.text();
}

async function addJobs(db: Db, series: Series): Promise<void> {
  const rows = await db.all("select kind, state, count(*) as count from jobs group by kind, state");
  for (const row of rows)
    series.add("jobs", Number(row["count"]), {
      kind: text(row, "kind"),
      state: text(row, "state"),
    });
}

async function addAlerts(db: Db, series: Series): Promise<void> {
  const rows = await db.all(
    `select kind, severity, count(*) as count from alerts where state = 'open'
     group by kind, severity`,
  );
  for (const row of rows) {
    const labels = { kind: text(row, "kind"), severity: text(row, "severity") };
    series.add("alerts", Number(row["count"]), labels);
  }
}

/** A revoked agent is gone on purpose, and no cause for alarm. */
async function addAgents(db: Db, series: Series, now: Date): Promise<void> {
  const agents = await listAgents(db, now);
  for (const agent of agents.filter(({ state }) => state !== "revoked")) {
    const labels = { server: agent.host };
    series.add("agent_up", agent.state === "offline" ? 0 : 1, labels);
    if (agent.lastSeenAt !== undefined)
      series.add("agent_last_seen_timestamp", agent.lastSeenAt, labels);
    series.add("agent_clock_skew_seconds", agent.clockSkewSeconds, labels);
    series.add("agent_cert_expiry_timestamp", agent.certificateEndsAt, labels);
  }
}

const states = { ok: 0, warning: 1, unmanaged: 1, violated: 2 };
const levels = { none: 0, stored: 1, verified: 2 };

function addRecoverability(series: Series, database: FleetDatabase, now: Date): void {
  const { ageSeconds, state, level, until, copies } = recoverability(database.coverage, now);
  const labels = labelsOf(database);
  series.add("copies", copies.good, labels);
  series.add("copies_target", copies.wanted, labels);
  series.add("rpo_seconds", ageSeconds, labels);
  series.add("rpo_target_seconds", database.coverage.goal?.rpoSeconds ?? 0, labels);
  series.add("rpo_state", states[state], labels);
  const engine = { ...labels, engine: database.engine };
  series.add("recoverable_level", levels[level], engine);
  if (until !== undefined) series.add("recoverable_until_timestamp", until, engine);
}

/**
 * The newest good backup of each database, and when its newest verified one was. One step in an
 * index for each, however many backups it has.
 */
const newestSql = `
  select b.database, b.started_at, b.committed_at, b.verified_at,
    json_extract(b.result, '$.bytesStored') as size,
    (select verified_at from backups where database = d.name and state = 'complete'
       and damaged_at is null and deleted_at is null and verified_at is not null
     order by started_at desc limit 1) as last_verified_at
  from databases d
  join backups b on b.id = (
    select id from backups
    where database = d.name and state = 'complete' and damaged_at is null
      and deleted_at is null
    order by started_at desc limit 1)
  where d.dropped_at is null`;

async function addBackups(
  db: Db,
  series: Series,
  databases: readonly FleetDatabase[],
): Promise<void> {
  const rows = await db.all(newestSql);
  const newest = new Map(rows.map((row) => [text(row, "database"), row]));
  for (const database of databases) {
    const row = newest.get(database.name);
    if (row === undefined) continue;
    const labels = labelsOf(database);
    const typed = { ...labels, engine: database.engine, backup_type: "full" };
    const committedAt = new Date(text(row, "committed_at"));
    const seconds = (committedAt.getTime() - Date.parse(text(row, "started_at"))) / 1000;
    series.add("last_success_timestamp", committedAt, typed);
    series.add("last_backup_duration_seconds", seconds, typed);
    // A number of 64 bits is text in protobuf's JSON, and absent when 0.
    series.add("last_backup_size_bytes", Number(row["size"] ?? 0), typed);
    series.add("backup_verified", row["verified_at"] === null ? 0 : 1, labels);
    if (row["last_verified_at"] !== null)
      series.add("backup_verified_timestamp", new Date(text(row, "last_verified_at")), labels);
  }
}

/**
 * Partial and cancelled backups are failures: there is no good backup. Both sums can only grow, as
 * no job leaves `cancelled`.
 */
const totalsSql = `
  select object, sum(good) as success, sum(bad) as failure from (
    select object, case type when 'backup_completed' then total else 0 end as good,
      case type when 'backup_completed' then 0 else total end as bad
    from event_totals where type in
      ('backup_completed', 'backup_failed', 'backup_partial', '${forgottenType}')
    union all
    select database, 0, count(*) from jobs where kind = 'backup' and state = 'cancelled'
    group by database
  ) group by object`;

/** Also 0 is told: a rate needs a first value. */
async function addTotals(
  db: Db,
  series: Series,
  databases: readonly FleetDatabase[],
): Promise<void> {
  const totals = new Map((await db.all(totalsSql)).map((row) => [text(row, "object"), row]));
  for (const database of databases)
    for (const status of ["success", "failure"]) {
      const total = Number(totals.get(database.name)?.[status] ?? 0);
      series.add("backup_total", total, { ...labelsOf(database), status });
    }
}

function labelsOf({ host, database }: FleetDatabase) {
  return { server: host, database };
}

function text(row: Row, column: string): string {
  return String(row[column]);
}
