import { DbctlError } from "../../core/errors.ts";
import { errorFields, log } from "../../core/log.ts";
import { runService } from "../../core/run-service.ts";
import type { Bus, BusMessage } from "../bus/bus.ts";
import { publishOutbox } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";
import { acceptEvent } from "./accept-event.ts";
import { createDeliverer } from "./deliver-due.ts";
import { forgetTold } from "./forget-told.ts";
import { sendWebhook } from "./send-webhook.ts";

/** The notifier's name as a durable consumer of the bus. */
export const notifierName = "notifier";

interface Parts {
  db: Db;
  bus: Bus;
  now: () => Date;
  /** Whether webhooks may go to private networks and to this host. */
  allowPrivateWebhooks: boolean;
}

/** Tells what happens: outbox to bus, bus to deliveries, deliveries to webhooks; until aborted. */
export async function runNotifier(parts: Parts, signal: AbortSignal): Promise<void> {
  const { db, bus, now, allowPrivateWebhooks } = parts;
  const handle = (message: BusMessage) => acceptOrLog(parts, message);
  const send: Parameters<typeof createDeliverer>[0]["send"] = (delivery, stop) =>
    sendWebhook(delivery, { now: now(), allowPrivate: allowPrivateWebhooks, signal: stop });
  const deliverer = createDeliverer({ db, now, send }, (error) =>
    log.warn("notifier-failed", { act: "deliver", ...errorFields(error) }),
  );
  const often = { idleMs: 500, maxDelayMs: 30_000, signal };
  const seldom = { idleMs: 3600_000, maxDelayMs: 3600_000, signal };
  // What is being published may wait for its consumer, so that one ends last.
  const consuming = new AbortController();
  const publishing = runService(() => publishOutbox(db, bus, now()), {
    ...often,
    onFailure: told("publish"),
  }).finally(() => consuming.abort());
  const deliver = async () => {
    const onFailure = told("deliver");
    await runService((stop) => deliverer.step(stop), { ...often, onFailure });
    await deliverer.settled();
  };
  await Promise.all([
    publishing,
    runService((stop) => bus.consume({ name: notifierName, handle }, stop), {
      ...often,
      signal: consuming.signal,
      onFailure: told("accept"),
    }),
    deliver(),
    runService(() => forgetTold(db, now()), { ...seldom, onFailure: told("forget") }),
  ]);
}

/** What is no event of ours would come again for ever, so it is logged and done with. */
async function acceptOrLog({ db, now }: Parts, message: BusMessage): Promise<void> {
  try {
    await acceptEvent(db, message, now());
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "protocol-violated") throw error;
    log.error("foreign-message", { ...errorFields(error), subject: message.subject });
  }
}

function told(act: string) {
  return (error: DbctlError, { failures, delayMs }: { failures: number; delayMs: number }) =>
    log.warn("notifier-failed", { act, failures, delayMs, ...errorFields(error) });
}
