import { newId } from "../../core/ids.ts";
import { isSeverity } from "../policies/policy.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db, Row } from "../database/database.ts";
import { findConditions } from "./find-conditions.ts";
import type { Condition } from "./find-conditions.ts";

/** Looks in a row at which all must be well before an alert is resolved. */
const neededLooks = 2;

/**
 * Compares what is wrong with the alerts that are open: opens, keeps, resolves. There is one open alert
 * per kind and object; each change is told. Call it every 10 s.
 */
export function evaluateAlerts(db: Db, now: Date): Promise<{ opened: number; resolved: number }> {
  return db.transaction(async (inner) => {
    const conditions = await findConditions(inner, now);
    const rows = await inner.all("select * from alerts where state = 'open'");
    const open = new Map(rows.map((row) => [keyOf(row["kind"], row["object"]), row]));
    let opened = 0;
    let resolved = 0;
    for (const condition of conditions) {
      const alert = open.get(keyOf(condition.kind, condition.object));
      open.delete(keyOf(condition.kind, condition.object));
      if (alert !== undefined) await keep(inner, alert, condition.message);
      else {
        await openAlert(inner, condition, now);
        opened += 1;
      }
    }
    for (const alert of open.values()) if (await lookAgain(inner, alert, now)) resolved += 1;
    return { opened, resolved };
  });
}

function keyOf(kind: Row[string] | undefined, object: Row[string] | undefined): string {
  return `${String(kind)} ${String(object)}`;
}

async function keep(db: Db, alert: Row, message: string): Promise<void> {
  if (alert["good_looks"] === 0 && alert["message"] === message) return;
  await db.run("update alerts set good_looks = 0, message = :message where id = :id", {
    id: String(alert["id"]),
    message,
  });
}

async function openAlert(db: Db, condition: Condition, now: Date): Promise<void> {
  const { kind, object, severity, message, host, instance, database } = condition;
  const id = newId(now.getTime());
  await db.run(
    `insert into alerts (id, kind, object, severity, state, message, opened_at, host, instance, database)
     values (:id, :kind, :object, :severity, 'open', :message, :now, :host, :instance, :database)`,
    { id, kind, object, severity, message, host, instance, database, now: now.toISOString() },
  );
  const row = await db.one("select * from alerts where id = :id", { id });
  if (row !== undefined) await tell(db, row, now);
}

/** One more good look; true when it was the last that is needed. */
async function lookAgain(db: Db, alert: Row, now: Date): Promise<boolean> {
  const id = String(alert["id"]);
  const looks = Number(alert["good_looks"]) + 1;
  if (looks < neededLooks) {
    await db.run("update alerts set good_looks = :looks where id = :id", { id, looks });
    return false;
  }
  await db.run(
    `update alerts set state = 'resolved', resolved_at = :now, good_looks = :looks where id = :id`,
    { id, looks, now: now.toISOString() },
  );
  await tell(db, { ...alert, state: "resolved" }, now);
  return true;
}

/** What machines that know no alerts are told: the event when it opens, and when it is resolved. */
const events: Record<string, { open: string; resolved: string } | undefined> = {
  rpo_violation: { open: "rpo_violation", resolved: "rpo_resolved" },
  agent_offline: { open: "agent_offline", resolved: "agent_online" },
};

async function tell(db: Db, alert: Row, now: Date): Promise<void> {
  const text = (column: string) => String(alert[column] ?? "");
  const state = text("state") === "resolved" ? "resolved" : "open";
  const word = text("severity");
  const severity = state === "resolved" ? "success" : isSeverity(word) ? word : "critical";
  const message = state === "resolved" ? `Resolved: ${text("message")}` : text("message");
  const place = { host: text("host"), instance: text("instance"), database: text("database") };
  const details = { alert: text("id"), object: text("object"), opened_at: text("opened_at") };
  const common = { severity, ...place, message, details } as const;
  const alertId = newId(now.getTime());
  await recordEvent(db, { id: alertId, type: text("kind"), kind: "alert", state, ...common }, now);
  const type = events[text("kind")]?.[state];
  if (type === undefined) return;
  await recordEvent(db, { id: newId(now.getTime()), type, kind: "event", ...common }, now);
}
