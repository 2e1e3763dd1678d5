import assert from "node:assert/strict";
import { test } from "node:test";
import { claimNextJob } from "../jobs/claim-next-job.ts";
import { enqueueBackups } from "../jobs/enqueue-backups.ts";
import { backedUp, failed, openScratchFleet } from "../jobs/scratch-fleet.ts";
import type { EventInit, ScratchFleet } from "../jobs/scratch-fleet.ts";
import { evaluateAlerts } from "./evaluate-alerts.ts";
import { listAlerts } from "./list-alerts.ts";

const hour = 3600;

async function backUp(fleet: ScratchFleet, result: EventInit): Promise<void> {
  const request = { allowMissing: false, freshEpoch: false, requestedBy: "ann" };
  await enqueueBackups(fleet.db, { ...request, selection: { case: "all" } }, fleet.now());
  const job = await claimNextJob(fleet.db, { host: "db1" }, fleet.now());
  assert.ok(job !== undefined);
  await fleet.say(job, result);
}

/** Lets time pass; the agents live unless told. */
async function look(fleet: ScratchFleet, seconds: number, alive = true): Promise<string[]> {
  const now = fleet.pass(seconds);
  if (alive)
    await fleet.db.run("update agents set last_seen_at = :now", { now: now.toISOString() });
  await evaluateAlerts(fleet.db, now);
  return await open(fleet);
}

async function open(fleet: ScratchFleet): Promise<string[]> {
  const alerts = await listAlerts(fleet.db, { includeResolved: false, limit: 100 });
  return alerts.map(({ kind, object }) => `${kind} ${object}`).toSorted();
}

test("evaluateAlerts() opens a violation once, and resolves it after two good looks", async () => {
  await using fleet = await openScratchFleet();
  await backUp(fleet, backedUp("b1"));
  assert.deepEqual(await look(fleet, 10), []);
  assert.deepEqual(await look(fleet, 25 * hour), ["rpo_warning db1/shop"]);
  assert.deepEqual(await look(fleet, 10), ["rpo_warning db1/shop"]);
  const both = ["rpo_violation db1/shop", "rpo_warning db1/shop"];
  assert.deepEqual(await look(fleet, 2 * hour), both);
  assert.deepEqual(await look(fleet, 10), ["rpo_violation db1/shop"]);
  assert.deepEqual(await look(fleet, 10), ["rpo_violation db1/shop"]);
  await backUp(fleet, backedUp("b2"));
  assert.deepEqual(await look(fleet, 10), ["rpo_violation db1/shop"]);
  assert.deepEqual(await look(fleet, 10), []);
  const told = (await fleet.events()).filter((type) => type.startsWith("rpo_"));
  const expected = [
    "rpo_warning",
    "rpo_violation",
    "rpo_violation",
    "rpo_warning",
    "rpo_violation",
    "rpo_resolved",
  ];
  assert.deepEqual(told, expected);
});

test("evaluateAlerts() counts good looks anew after a bad one", async () => {
  await using fleet = await openScratchFleet();
  await backUp(fleet, backedUp("b1"));
  assert.deepEqual(await look(fleet, 130, false), ["agent_offline db1", "rpo_warning db1/shop"]);
  assert.equal((await look(fleet, 10)).length, 2);
  assert.equal((await look(fleet, 130, false)).length, 2);
  assert.equal((await look(fleet, 10)).length, 2);
  assert.deepEqual(await look(fleet, 10), []);
  const told = (await fleet.events()).filter((type) => type.startsWith("agent_"));
  assert.deepEqual(told, ["agent_offline", "agent_offline", "agent_offline", "agent_online"]);
});

test("evaluateAlerts() opens an alert for a database that was never backed up", async () => {
  await using fleet = await openScratchFleet();
  assert.deepEqual(await look(fleet, 24 * hour), []);
  assert.deepEqual(await look(fleet, 3 * hour), ["rpo_violation db1/shop"]);
});

test("evaluateAlerts() opens backup_failed until a backup succeeds", async () => {
  await using fleet = await openScratchFleet();
  await backUp(fleet, failed(false));
  assert.deepEqual(await look(fleet, 10), ["backup_failed db1/shop"]);
  const [alert] = await listAlerts(fleet.db, { includeResolved: false, limit: 1 });
  assert.match(alert?.message ?? "", /Cannot reach it: down/);
  await backUp(fleet, backedUp("b1"));
  await look(fleet, 10);
  assert.deepEqual(await look(fleet, 10), []);
  const [resolved] = await listAlerts(fleet.db, { includeResolved: true, limit: 1 });
  assert.equal(resolved?.state, "resolved");
});

test("evaluateAlerts() closes alerts of what is gone", async () => {
  await using fleet = await openScratchFleet();
  await look(fleet, 27 * hour);
  await fleet.db.run("update databases set dropped_at = 'x'");
  await look(fleet, 10);
  assert.deepEqual(await look(fleet, 10), []);
});
