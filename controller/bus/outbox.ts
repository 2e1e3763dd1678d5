import type { Db } from "../database/database.ts";
import type { Bus } from "./bus.ts";
import { type FleetEvent, type ToldEvent, subjectOf } from "./fleet-event.ts";

/** How many messages a step reads at once. */
const batch = 100;

/**
 * Writes an event down to be published, and counts it; call it in the transaction of the change it
 * tells of.
 */
export async function recordEvent(db: Db, event: FleetEvent, now: Date): Promise<void> {
  const told: ToldEvent = { ...event, at: now.toISOString() };
  await db.run(
    "insert into outbox (id, subject, body, created_at) values (:id, :subject, :body, :at)",
    { id: event.id, subject: subjectOf(event), body: JSON.stringify(told), at: told.at },
  );
  if (event.kind === "event") await count(db, event);
}

async function count(db: Db, { type, host, database }: FleetEvent): Promise<void> {
  const object = database === "" ? host : `${host}/${database}`;
  await db.run(
    `insert into event_totals (type, object, total) values (:type, :object, 1)
     on conflict (type, object) do update set total = total + 1`,
    { type, object },
  );
}

/**
 * Publishes what waits in the outbox, in order; stops at the first message that the bus does not
 * take and throws its error. Gives the count of published messages. A message can be published
 * twice, when the controller dies between the bus's answer and its own note: the id is the same.
 */
export async function publishOutbox(db: Db, bus: Bus, now: Date): Promise<number> {
  let published = 0;
  for (;;) {
    const rows = await readWaiting(db);
    for (const { position, id, subject, body } of rows) {
      await bus.publish({ id: String(id), subject: String(subject), body: String(body) });
      await markPublished(db, Number(position), now);
    }
    published += rows.length;
    if (rows.length < batch) return published;
  }
}

function readWaiting(db: Db) {
  return db.all(
    `select position, id, subject, body from outbox
     where published_at is null order by position limit :batch`,
    { batch },
  );
}

async function markPublished(db: Db, position: number, now: Date): Promise<void> {
  await db.run("update outbox set published_at = :at where position = :position", {
    position,
    at: now.toISOString(),
  });
}

/** Seconds that the oldest unpublished message waits; 0 when none does. */
export async function outboxOldestSeconds(db: Db, now: Date): Promise<number> {
  const row = await db.one(
    "select created_at from outbox where published_at is null order by position limit 1",
  );
  if (row === undefined) return 0;
  return Math.max(0, (now.getTime() - Date.parse(String(row["created_at"]))) / 1000);
}
