import type { Db, Row } from "../database/database.ts";
import { plannedSeconds } from "../policies/policy.ts";
import { policyChooser, readPolicies } from "../policies/read-policies.ts";
import type { AppliedPolicy } from "../policies/read-policies.ts";
import type { Selectable } from "../policies/selector.ts";
import type { Copy, Coverage } from "../recoverability/recoverability.ts";
import { readCopies } from "./read-copies.ts";

/** A database of the fleet with all that is known of it. */
export interface FleetDatabase extends Selectable {
  /** host/database. */
  name: string;
  instanceId: string;
  version: string;
  /** Bytes, roughly. */
  size: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
  /** Unset when no policy selects it. */
  policy?: AppliedPolicy | undefined;
  /** Median of the last seven backups, from dispatch to result; 0 when there is none. */
  typicalSeconds: number;
  /** For `recoverability`. */
  coverage: Coverage;
}

/** All databases that were not dropped, by name; or the one that is named. */
export async function readDatabases(db: Db, name?: string): Promise<FleetDatabase[]> {
  const only = { name: name ?? null };
  const choose = policyChooser(await readPolicies(db));
  const durations = await readDurations(db, only);
  const rows = await db.all(databasesSql, only);
  const chosen = rows.map((row) => {
    const target = selectableOf(row);
    return { row, target, name: text(row, "name"), policy: choose(target) };
  });
  const wanted = chosen.map(({ name: database, policy }) => {
    return { name: database, repositoryUrls: policy?.repositoryUrls ?? [] };
  });
  const copies = await readCopies(db, wanted);
  return chosen.map(({ row, name: database, ...found }) => {
    const typicalSeconds = median(durations.get(database) ?? []);
    return withCoverage(row, { ...found, typicalSeconds, copies: copies.get(database) ?? [] });
  });
}

/** The one database, or undefined when the fleet has none of this name. */
export async function readDatabase(db: Db, name: string): Promise<FleetDatabase | undefined> {
  return (await readDatabases(db, name))[0];
}

/** A database that is there now, and its policy: without what is computed of its backups. */
export interface ChosenDatabase extends Selectable {
  /** host/database. */
  name: string;
  instanceId: string;
  policy: AppliedPolicy | undefined;
}

/** All that were not dropped; as if these policies were applied, when they are given. */
export async function readChosen(
  db: Db,
  policies?: readonly AppliedPolicy[],
): Promise<ChosenDatabase[]> {
  const choose = policyChooser(policies ?? (await readPolicies(db)));
  const rows = await db.all(
    `select d.name, d.host, d.instance, d.database, i.instance_id, i.engine,
       i.labels as instance_labels, a.labels as agent_labels
     from databases d ${placeJoins} where d.dropped_at is null`,
  );
  return rows.map((row) => {
    const target = selectableOf(row);
    const known = { name: text(row, "name"), instanceId: text(row, "instance_id") };
    return { ...target, ...known, policy: choose(target) };
  });
}

const placeJoins = `left join agents a on a.host = d.host
  left join instances i on i.agent_id = a.id and i.name = d.instance`;

/** One step in an index for each database, however many backups it has. */
const databasesSql = `
  select d.*, i.instance_id, i.engine, i.version, i.labels as instance_labels,
    a.labels as agent_labels, a.last_seen_at as agent_seen_at,
    (select max(started_at) from backups where database = d.name
       and state = 'complete' and damaged_at is null and deleted_at is null) as newest_at,
    (select max(started_at) from backups where database = d.name
       and state = 'complete' and damaged_at is null and deleted_at is null
       and verified_at is not null) as verified_at
  from databases d ${placeJoins}
  where d.dropped_at is null and (:name is null or d.name = :name)
  order by d.name`;

interface Found {
  target: Selectable;
  policy: AppliedPolicy | undefined;
  typicalSeconds: number;
  copies: Copy[];
}

function withCoverage(row: Row, { target, policy, typicalSeconds, copies }: Found): FleetDatabase {
  const firstSeenAt = new Date(text(row, "first_seen_at"));
  const goal = policy && {
    rpoSeconds: policy.rpoSeconds,
    plannedSeconds: plannedSeconds(policy, typicalSeconds),
  };
  return {
    ...target,
    name: text(row, "name"),
    instanceId: text(row, "instance_id"),
    version: text(row, "version"),
    size: Number(row["size"]),
    firstSeenAt,
    lastSeenAt: new Date(text(row, "last_seen_at")),
    policy,
    typicalSeconds,
    coverage: {
      firstSeenAt,
      agentSeenAt: date(row, "agent_seen_at"),
      newestAt: date(row, "newest_at"),
      verifiedAt: date(row, "verified_at"),
      goal,
      copies,
    },
  };
}

/** Labels of the instance come before those of its host. */
function selectableOf(row: Row): Selectable {
  return {
    host: text(row, "host"),
    instance: text(row, "instance"),
    database: text(row, "database"),
    engine: text(row, "engine"),
    labels: { ...labels(row, "agent_labels"), ...labels(row, "instance_labels") },
  };
}

async function readDurations(
  db: Db,
  only: { name: string | null },
): Promise<Map<string, number[]>> {
  // Each database's own seven by its index: a cross join keeps the order of the tables.
  const rows = await db.all(
    `select b.database, b.started_at, b.committed_at from databases d
     cross join backups b on b.id in (
       select id from backups where database = d.name order by committed_at desc limit 7)
     where d.dropped_at is null and (:name is null or d.name = :name)`,
    only,
  );
  const durations = new Map<string, number[]>();
  for (const row of rows) {
    const ms = Date.parse(text(row, "committed_at")) - Date.parse(text(row, "started_at"));
    const known = durations.get(text(row, "database")) ?? [];
    durations.set(text(row, "database"), [...known, ms / 1000]);
  }
  return durations;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}

function text(row: Row, column: string): string {
  return String(row[column] ?? "");
}

function date(row: Row, column: string): Date | undefined {
  const value = row[column];
  return value === null || value === undefined ? undefined : new Date(String(value));
}

function labels(row: Row, column: string): Record<string, string> {
  return JSON.parse(text(row, column) || "{}") as Record<string, string>;
}
