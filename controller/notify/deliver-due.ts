import { DbctlError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db, Row } from "../database/database.ts";
import { nextAttempt } from "./retry-plan.ts";
import type { Delivery, Outcome } from "./send-webhook.ts";
import { webhookMark } from "./webhook-mark.ts";

interface Parts {
  db: Db;
  now: () => Date;
  /** `sendWebhook`, with its options. */
  send: (delivery: Delivery, signal: AbortSignal) => Promise<Outcome>;
}

interface Due extends Delivery {
  attempts: number;
}

/** How many deliveries a webhook gets in one go. */
const batch = 20;

export interface Deliverer {
  /** Starts what is due, of every webhook that is not at work; waits for none. */
  step(signal: AbortSignal): Promise<void>;
  /** Resolves when no webhook is at work. */
  settled(): Promise<void>;
}

/**
 * Delivers to every webhook by itself, so that a silent one holds up no other; to each one oldest
 * event first. A webhook that fails gets nothing more until the next step. What the catalog rejects
 * is given to `onFailure`: the delivery stays due.
 */
export function createDeliverer(parts: Parts, onFailure: (error: DbctlError) => void): Deliverer {
  const busy = new Map<string, Promise<void>>();
  return {
    async step(signal) {
      const channels = await readDueChannels(parts);
      for (const channel of channels.filter((one) => !busy.has(one))) {
        const work = deliverTo(channel, parts, signal)
          .catch((error: unknown) => {
            if (!signal.aborted) onFailure(DbctlError.from(error));
          })
          .finally(() => busy.delete(channel));
        busy.set(channel, work);
      }
    },
    async settled() {
      await Promise.all(busy.values());
    },
  };
}

async function readDueChannels({ db, now }: Parts): Promise<string[]> {
  const rows = await db.all(
    `select distinct channel from deliveries where state = 'waiting' and next_attempt_at <= :now`,
    { now: now().toISOString() },
  );
  return rows.map((row) => String(row["channel"]));
}

async function deliverTo(channel: string, parts: Parts, signal: AbortSignal): Promise<void> {
  const rows = await parts.db.all(
    `select event_id, channel, secret_file, attempts, body from deliveries
     where channel = :channel and state = 'waiting' and next_attempt_at <= :now
     order by event_id limit :batch`,
    { channel, now: parts.now().toISOString(), batch },
  );
  for (const due of rows.map(dueOf)) {
    const outcome = await parts.send(due, signal);
    await noteOutcome(parts, due, outcome);
    if (outcome.kind === "failed") return;
  }
}

function dueOf(row: Row): Due {
  return {
    eventId: String(row["event_id"]),
    url: String(row["channel"]),
    secretFile: String(row["secret_file"]),
    body: String(row["body"]),
    attempts: Number(row["attempts"]),
  };
}

async function noteOutcome({ db, now }: Parts, due: Due, outcome: Outcome): Promise<void> {
  const at = now();
  const attempts = due.attempts + 1;
  if (outcome.kind === "delivered") return note(db, due, { state: "delivered", at });
  const { reason } = outcome;
  const next = outcome.kind === "refused" ? undefined : nextAttempt(attempts, at);
  if (next !== undefined) return note(db, due, { state: "waiting", at: next, reason });
  await db.transaction(async (inner) => {
    await note(inner, due, { state: "dead", at, reason });
    await tellOthers(inner, { due, reason, attempts }, at);
  });
}

interface Note {
  state: "waiting" | "delivered" | "dead";
  at: Date;
  reason?: string;
}

async function note(db: Db, { eventId, url }: Due, { state, at, reason }: Note): Promise<void> {
  await db.run(
    `update deliveries
     set state = :state, attempts = attempts + 1, next_attempt_at = :at, last_error = :reason
     where event_id = :eventId and channel = :url`,
    { state, at: at.toISOString(), reason: reason ?? null, eventId, url },
  );
}

/** Bad news about notices goes through the other webhooks, once: not about itself again. */
async function tellOthers(
  db: Db,
  { due, reason, attempts }: { due: Due; reason: string; attempts: number },
  at: Date,
): Promise<void> {
  const { event } = JSON.parse(due.body) as { event: { type: string } };
  if (event.type === deadType) return;
  const place = new URL(due.url).origin;
  await recordEvent(
    db,
    {
      id: newId(at.getTime()),
      type: deadType,
      kind: "event",
      severity: "error",
      host: "",
      instance: "",
      database: "",
      message: `Cannot deliver ${event.type} ${due.eventId} to ${place}: ${reason}`,
      details: {
        error: reason,
        attempts,
        dead_webhook: webhookMark(due.url),
        dead_event: due.eventId,
      },
    },
    at,
  );
}

const deadType = "controller_degraded";
