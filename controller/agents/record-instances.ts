import { newId } from "../../core/ids.ts";
import type { Instance } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";

interface Seen {
  agentId: string;
  instances: readonly Instance[];
}

/**
 * Takes over what an agent sees. A database is dropped when its instance was looked at and does not
 * have it, or when the agent looks after the instance no more; one that cannot be looked at, or
 * whose agent is silent, stays what it is. Call it within a transaction.
 */
export async function recordInstances(db: Db, seen: Seen, now: Date): Promise<void> {
  const agent = await db.one("select host from agents where id = :id", { id: seen.agentId });
  const host = String(agent?.["host"]);
  for (const instance of seen.instances) {
    await writeInstance(db, { agentId: seen.agentId, instance }, now);
    if (instance.error !== undefined) continue;
    for (const { name, size } of instance.databases)
      await writeDatabase(db, { host, instance: instance.name, database: name, size }, now);
    const names = instance.databases.map(({ name }) => name);
    await dropDatabases(db, { host, instance: instance.name, keep: names }, now);
  }
  await forgetInstances(db, { ...seen, host }, now);
}

async function writeInstance(
  db: Db,
  { agentId, instance }: { agentId: string; instance: Instance },
  now: Date,
): Promise<void> {
  const { name, instanceId, engine, version, labels, error } = instance;
  await db.run(
    `insert into instances (agent_id, name, instance_id, engine, version, labels, error, seen_at)
     values (:agentId, :name, :instanceId, :engine, :version, :labels, :error, :now)
     on conflict (agent_id, name) do update set engine = excluded.engine,
       -- A server that cannot be reached has not lost its id.
       instance_id = case when excluded.instance_id = '' then instance_id
         else excluded.instance_id end,
       version = case when excluded.version = '' then version else excluded.version end,
       labels = excluded.labels, error = excluded.error, seen_at = excluded.seen_at`,
    {
      agentId,
      name,
      instanceId,
      engine,
      version,
      labels: JSON.stringify(labels),
      error: error === undefined ? null : error.message,
      now: now.toISOString(),
    },
  );
}

interface Place {
  host: string;
  instance: string;
  database: string;
}

async function writeDatabase(
  db: Db,
  { size, ...place }: Place & { size: bigint },
  now: Date,
): Promise<void> {
  const at = now.toISOString();
  const known = await db.run(
    `update databases set size = :size, last_seen_at = :at, dropped_at = null
     where host = :host and instance = :instance and database = :database`,
    { ...place, size, at },
  );
  if (known > 0) return;
  await db.run(
    `insert into databases (name, host, instance, database, size, first_seen_at, last_seen_at)
     values (:name, :host, :instance, :database, :size, :at, :at)`,
    { ...place, name: await freeName(db, place), size, at },
  );
  const message = `Database ${place.database} was found on ${place.host}`;
  await tell(db, { ...place, type: "database_found", severity: "info", message }, now);
}

/** `host/database`; when another instance of the host has that, `host/instance/database`. */
async function freeName(db: Db, { host, instance, database }: Place): Promise<string> {
  const name = `${host}/${database}`;
  const taken = await db.one("select 1 from databases where name = :name", { name });
  return taken === undefined ? name : `${host}/${instance}/${database}`;
}

interface Dropping {
  host: string;
  instance: string;
  keep: readonly string[];
}

async function dropDatabases(db: Db, { host, instance, keep }: Dropping, now: Date): Promise<void> {
  const rows = await db.all(
    `select database from databases
     where host = :host and instance = :instance and dropped_at is null`,
    { host, instance },
  );
  for (const row of rows) {
    const database = String(row["database"]);
    if (keep.includes(database)) continue;
    const place = { host, instance, database };
    await db.run(
      `update databases set dropped_at = :at
       where host = :host and instance = :instance and database = :database`,
      { ...place, at: now.toISOString() },
    );
    const message = `Database ${database} is no longer on ${host}: it is not backed up any more`;
    await tell(db, { ...place, type: "database_dropped", severity: "warning", message }, now);
  }
}

async function forgetInstances(
  db: Db,
  { agentId, instances, host }: Seen & { host: string },
  now: Date,
): Promise<void> {
  const rows = await db.all("select name from instances where agent_id = :agentId", { agentId });
  for (const row of rows) {
    const instance = String(row["name"]);
    if (instances.some(({ name }) => name === instance)) continue;
    await dropDatabases(db, { host, instance, keep: [] }, now);
    await db.run("delete from instances where agent_id = :agentId and name = :instance", {
      agentId,
      instance,
    });
  }
}

interface Told extends Place {
  type: string;
  severity: "info" | "warning";
  message: string;
}

async function tell(db: Db, told: Told, now: Date): Promise<void> {
  await recordEvent(db, { id: newId(), kind: "event", details: {}, ...told }, now);
}
