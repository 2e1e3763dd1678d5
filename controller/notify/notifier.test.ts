import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { FleetEvent } from "../bus/fleet-event.ts";
import { createMemoryBus } from "../bus/memory-bus.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";
import { openDatabase } from "../database/database.ts";
import { openScratchCatalog } from "../database/scratch-catalog.ts";
import { acceptEvent } from "./accept-event.ts";
import { createDeliverer } from "./deliver-due.ts";
import { forgetTold } from "./forget-told.ts";
import { notifierName, runNotifier } from "./run-notifier.ts";
import { backupCompleted, insertDatabase, insertPolicy } from "../database/scratch-fleet.ts";
import { startReceiver } from "./scratch-receiver.ts";
import type { Delivery, Outcome } from "./send-webhook.ts";

const start = new Date("2026-03-01T10:00:00Z");
const { signal } = new AbortController();
const gold = "https://gold.example/hook";
const silver = "https://silver.example/hook";

/** A fleet where `gold` is responsible for h1, `silver` for h2 and for bad news only. */
async function openFleet() {
  const catalog = await openScratchCatalog();
  const { db } = catalog;
  const hook = { minSeverity: "info", secretFile: "/etc/secret" } as const;
  await insertPolicy(db, {
    name: "gold",
    selector: "host=h1",
    webhooks: [{ ...hook, url: gold }],
  });
  await insertPolicy(db, {
    name: "silver",
    selector: "host=h2",
    webhooks: [{ ...hook, url: silver, minSeverity: "error" }],
  });
  await insertDatabase(db, { host: "h1", database: "shop", seenAt: start });
  await insertDatabase(db, { host: "h2", database: "shop", seenAt: start });
  return catalog;
}

async function accept(db: Db, event: FleetEvent): Promise<void> {
  const body = JSON.stringify({ ...event, at: start.toISOString() });
  await acceptEvent(db, { id: event.id, subject: "any", body }, start);
}

async function deliveries(db: Db): Promise<string[]> {
  const rows = await db.all("select * from deliveries order by event_id, channel");
  return rows.map((row) => `${row["event_id"]} ${row["channel"]} ${row["state"]}`);
}

test("acceptEvent() finds the webhooks of the database's policy, by severity, once", async () => {
  await using catalog = await openFleet();
  await accept(catalog.db, backupCompleted("e1"));
  await accept(catalog.db, backupCompleted("e1"));
  await accept(catalog.db, { ...backupCompleted("e2"), host: "h2" });
  await accept(catalog.db, { ...backupCompleted("e3"), host: "h2", severity: "error" });
  const wanted = [`e1 ${gold} waiting`, `e3 ${silver} waiting`];
  assert.deepEqual(await deliveries(catalog.db), wanted);
});

test("acceptEvent() tells about a host its policies, and all what nobody is responsible for", async () => {
  await using catalog = await openFleet();
  const bad = { ...backupCompleted("e1"), severity: "critical", database: "" } as const;
  await accept(catalog.db, bad);
  await accept(catalog.db, { ...bad, id: "e2", host: "unknown" });
  await accept(catalog.db, { ...bad, id: "e3", host: "" });
  const wanted = [
    `e1 ${gold} waiting`,
    `e2 ${gold} waiting`,
    `e2 ${silver} waiting`,
    `e3 ${gold} waiting`,
    `e3 ${silver} waiting`,
  ];
  assert.deepEqual(await deliveries(catalog.db), wanted);
});

test("acceptEvent() tells the end of an alert to whom its begin was told, once", async () => {
  await using catalog = await openFleet();
  await catalog.db.run(
    `insert into alerts (id, kind, object, severity, state, message, opened_at)
     values ('a1', 'rpo_violation', 'h2/shop', 'critical', 'resolved', 'late', 'x'),
       ('a2', 'clock_skew', 'h2', 'warning', 'resolved', 'skew', 'x')`,
  );
  const over = { ...backupCompleted("e1"), host: "h2", severity: "success" } as const;
  const rpo = { ...over, details: { alert: "a1" } };
  await accept(catalog.db, { ...rpo, type: "rpo_resolved" });
  const alert = { kind: "alert", state: "resolved" } as const;
  await accept(catalog.db, { ...rpo, ...alert, id: "e2", type: "rpo_violation" });
  const skew = { id: "e3", type: "clock_skew", details: { alert: "a2" } };
  await accept(catalog.db, { ...over, ...alert, ...skew });
  assert.deepEqual(await deliveries(catalog.db), [`e1 ${silver} waiting`]);
});

/** Delivers as a receiver would that fails until the clock says otherwise. */
function clockedParts(db: Db, outcome: (now: Date) => Outcome) {
  const clock = { now: start };
  const sent: { at: number; delivery: Delivery }[] = [];
  const send = async (delivery: Delivery) => {
    sent.push({ at: (clock.now.getTime() - start.getTime()) / 1000, delivery });
    return outcome(clock.now);
  };
  const deliverer = createDeliverer({ db, now: () => clock.now, send }, assert.ifError);
  const run = async (seconds: number, stepSeconds: number) => {
    for (let second = 0; second <= seconds; second += stepSeconds) {
      clock.now = new Date(start.getTime() + second * 1000);
      await deliverer.step(signal);
      await deliverer.settled();
    }
  };
  return { sent, run };
}

test("createDeliverer() tries again after 5 s, 30 s, 2 min, 15 min, with one id, until it went well", async () => {
  await using catalog = await openFleet();
  await accept(catalog.db, backupCompleted("e1"));
  const well = start.getTime() + 1000_000;
  const { sent, run } = clockedParts(catalog.db, (now) =>
    now.getTime() < well ? { kind: "failed", reason: "answer 500" } : { kind: "delivered" },
  );
  await run(3600, 1);
  assert.deepEqual(
    sent.map(({ at }) => at),
    [0, 5, 35, 155, 1055],
  );
  assert.deepEqual([...new Set(sent.map(({ delivery }) => delivery.eventId))], ["e1"]);
  assert.equal(sent[0]?.delivery.secretFile, "/etc/secret");
  assert.deepEqual(await deliveries(catalog.db), [`e1 ${gold} delivered`]);
});

test("createDeliverer() gives up after a day, and tells it through the other webhooks only", async () => {
  await using catalog = await openFleet();
  await accept(catalog.db, backupCompleted("e1"));
  const { sent, run } = clockedParts(catalog.db, () => ({ kind: "failed", reason: "answer 500" }));
  await run(26 * 3600, 5);
  assert.equal(sent.length, 100);
  assert.deepEqual(await deliveries(catalog.db), [`e1 ${gold} dead`]);
  const rows = await catalog.db.all("select * from outbox");
  assert.equal(rows.length, 1);
  const body = String(rows[0]?.["body"]);
  assert.ok(!body.includes(gold));
  await acceptEvent(catalog.db, { id: "x", subject: "any", body }, start);
  assert.match(
    (await deliveries(catalog.db)).join("\n"),
    /^\w+ https:\/\/silver\S+ waiting\ne1 \S+ dead$/,
  );
});

test("createDeliverer() does not repeat what is refused, nor news of dead webhooks for ever", async () => {
  await using catalog = await openFleet();
  await accept(catalog.db, { ...backupCompleted("e1"), type: "controller_degraded" });
  const { sent, run } = clockedParts(catalog.db, () => ({ kind: "refused", reason: "answer 404" }));
  await run(3600, 60);
  assert.equal(sent.length, 1);
  assert.deepEqual(await deliveries(catalog.db), [`e1 ${gold} dead`]);
  assert.deepEqual(await catalog.db.all("select * from outbox"), []);
});

test("createDeliverer() lets a silent webhook hold up no other", async () => {
  await using catalog = await openFleet();
  await accept(catalog.db, { ...backupCompleted("e1"), severity: "critical", host: "" });
  const sent: string[] = [];
  const silent = Promise.withResolvers<Outcome>();
  const send = ({ eventId, url }: Delivery): Promise<Outcome> => {
    sent.push(`${eventId} ${url}`);
    return url === gold ? silent.promise : Promise.resolve({ kind: "delivered" });
  };
  const parts = { db: catalog.db, now: () => start, send };
  const deliverer = createDeliverer(parts, assert.ifError);
  await deliverer.step(signal);
  await accept(catalog.db, { ...backupCompleted("e2"), severity: "critical", host: "" });
  while (!sent.includes(`e2 ${silver}`)) {
    await deliverer.step(signal);
    await sleep(5);
  }
  assert.deepEqual(sent, [`e1 ${gold}`, `e1 ${silver}`, `e2 ${silver}`]);
  silent.resolve({ kind: "delivered" });
  await deliverer.settled();
  assert.match((await deliveries(catalog.db)).join(), /^e1 \S+ delivered,e1 \S+ delivered,/);
});

test("createDeliverer() tells what the catalog rejects, and the delivery stays due", async () => {
  await using catalog = await openFleet();
  await accept(catalog.db, backupCompleted("e1"));
  const failures: string[] = [];
  const send = () => Promise.reject(new Error("disk on fire"));
  const parts = { db: catalog.db, now: () => start, send };
  const deliverer = createDeliverer(parts, ({ message }) => failures.push(message));
  await deliverer.step(signal);
  await deliverer.settled();
  assert.deepEqual(failures, ["Cannot go on: disk on fire"]);
  assert.deepEqual(await deliveries(catalog.db), [`e1 ${gold} waiting`]);
});

test("createDeliverer() goes on after a restart: all state is in the catalog", async () => {
  await using catalog = await openFleet();
  await accept(catalog.db, backupCompleted("e1"));
  await clockedParts(catalog.db, () => ({ kind: "failed", reason: "answer 500" })).run(6, 1);
  await using again = await openDatabase(catalog.path);
  const { sent, run } = clockedParts(again, () => ({ kind: "delivered" }));
  await run(60, 1);
  assert.deepEqual(
    sent.map(({ at }) => at),
    [35],
  );
});

test("forgetTold() removes what is done and old, and nothing else", async () => {
  await using catalog = await openFleet();
  const { db } = catalog;
  await recordEvent(db, backupCompleted("waiting"), start);
  await recordEvent(db, backupCompleted("published"), start);
  await db.run("update outbox set published_at = created_at where id = 'published'");
  await accept(db, backupCompleted("e1"));
  await accept(db, backupCompleted("e2"));
  await db.run("update deliveries set state = 'delivered' where event_id = 'e1'");
  const days = (count: number) => new Date(start.getTime() + count * 24 * 3600_000);
  await forgetTold(db, days(29));
  assert.equal((await deliveries(db)).length, 2);
  await forgetTold(db, days(31));
  assert.deepEqual(await deliveries(db), [`e2 ${gold} waiting`]);
  assert.deepEqual(await db.all("select id from outbox"), [{ id: "waiting" }]);
});

test("runNotifier() brings an event from the outbox to the webhook, and ends when aborted", async () => {
  await using catalog = await openScratchCatalog();
  await using receiver = await startReceiver();
  await using bus = createMemoryBus({ consumers: [notifierName] });
  const webhooks = [{ url: receiver.url, minSeverity: "info", secretFile: "" } as const];
  await insertPolicy(catalog.db, { name: "gold", selector: "host=h1", webhooks });
  const stop = new AbortController();
  const parts = { db: catalog.db, bus, now: () => new Date(), allowPrivateWebhooks: true };
  const running = runNotifier(parts, stop.signal);
  for (const id of ["e1", "e2"]) await recordEvent(catalog.db, backupCompleted(id), new Date());
  while (receiver.received.length < 2) await sleep(20);
  stop.abort();
  await running;
  assert.deepEqual(
    receiver.received.map(({ headers }) => headers["x-dbctl-event-id"]),
    ["e1", "e2"],
  );
});
