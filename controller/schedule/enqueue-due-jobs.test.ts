import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../database/database.ts";
import { claimNextJob } from "../jobs/claim-next-job.ts";
import { backedUp, goldPolicy, openScratchFleet } from "../jobs/scratch-fleet.ts";
import { applyPolicies } from "../policies/apply-policies.ts";
import { enqueueDueJobs } from "./enqueue-due-jobs.ts";

const hour = 3600;

test("enqueueDueJobs() makes each run once, also for two controllers at once", async () => {
  await using fleet = await openScratchFleet(["db1", "db2", "db3"]);
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(3 * hour - 1)), 0);
  const now = fleet.pass(1801);
  await using other = await openDatabase(fleet.path);
  const counts = await Promise.all([enqueueDueJobs(fleet.db, now), enqueueDueJobs(other, now)]);
  assert.equal(counts[0] + counts[1], 3);
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(60)), 0);
  const jobs = await fleet.db.all("select requested_by, policy from jobs");
  assert.deepEqual(jobs[0], { requested_by: "policy gold", policy: "gold" });
});

test("enqueueDueJobs() makes one run of all that were missed", async () => {
  await using fleet = await openScratchFleet();
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(10 * 24 * hour)), 1);
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(1)), 0);
});

test("enqueueDueJobs() does not pile runs up behind one that waits", async () => {
  await using fleet = await openScratchFleet();
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(24 * hour)), 1);
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(24 * hour)), 0);
  assert.equal((await fleet.db.all("select 1 from jobs")).length, 1);
  const job = await claimNextJob(fleet.db, { host: "db1" }, fleet.now());
  assert.ok(job !== undefined);
  await fleet.say(job, backedUp("b1"));
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(24 * hour)), 1);
});

test("enqueueDueJobs() does not make runs of before the policy was applied", async () => {
  await using fleet = await openScratchFleet();
  await enqueueDueJobs(fleet.db, fleet.pass(12 * hour));
  const hourly = goldPolicy.replace("0 3 * * *", "30 * * * *");
  await applyPolicies(fleet.db, { yaml: hourly, dryRun: false, actor: "ann" }, fleet.now());
  await fleet.db.run("delete from schedule_runs");
  await fleet.db.run("update jobs set state = 'succeeded'");
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(60)), 0);
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(hour)), 1);
});
