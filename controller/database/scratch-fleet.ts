import type { FleetEvent } from "../bus/fleet-event.ts";
import type { Db } from "./database.ts";
import type { Policy, Webhook } from "../policies/policy.ts";

/** A policy document as the catalog holds it, for a test. */
export async function insertPolicy(
  db: Db,
  { name, selector, webhooks }: { name: string; selector: string; webhooks: Webhook[] },
): Promise<void> {
  const document: Policy = {
    name,
    selector,
    schedule: "daily",
    timeZone: "UTC",
    rpoSeconds: 26 * 3600,
    retention: { keepDays: 30, keepLast: 5 },
    repositoryUrls: ["/srv/repository"],
    jobs: 4,
    allowMissing: false,
    retries: 2,
    retryDelaySeconds: 300,
    webhooks,
    intervalSeconds: 24 * 3600,
    jitterSeconds: 600,
    lines: {},
  };
  await db.run(
    `insert into policies (name, position, document, applied_at)
     values (:name, (select count(*) from policies), :document, '2026-01-01T00:00:00.000Z')`,
    { name, document: JSON.stringify(document) },
  );
}

/** A host with one instance and one database. */
export async function insertDatabase(
  db: Db,
  { host, database, seenAt }: { host: string; database: string; seenAt: Date },
): Promise<void> {
  const values = { id: `agent-${host}`, host, at: seenAt.toISOString() };
  await db.run(
    `insert into agents
       (id, host, version, enrolled_at, last_seen_at, certificate_serial, certificate_ends_at)
     values (:id, :host, '0.1.0', :at, :at, :id, :at) on conflict do nothing`,
    values,
  );
  await db.run(
    `insert into instances (agent_id, name, instance_id, engine, version, labels, seen_at)
     values (:id, 'main', :host, 'postgres', '15.1', '{}', :at) on conflict do nothing`,
    values,
  );
  await db.run(
    `insert into databases
       (name, host, instance, database, size, first_seen_at, last_seen_at)
     values (:name, :host, 'main', :database, 1, :at, :at)`,
    { name: `${host}/${database}`, host, database, at: values.at },
  );
}

export function backupCompleted(id: string): FleetEvent {
  return {
    id,
    type: "backup_completed",
    kind: "event",
    severity: "success",
    host: "h1",
    instance: "main",
    database: "shop",
    message: "Backed up h1/shop",
    details: { backup: "b1", backup_size: 1000, duration_seconds: 1.5, engine: "postgres" },
  };
}
