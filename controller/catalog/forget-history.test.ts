import assert from "node:assert/strict";
import { test } from "node:test";
import { cancelJob } from "../jobs/cancel-job.ts";
import { claimNextJob } from "../jobs/claim-next-job.ts";
import { enqueueBackups } from "../jobs/enqueue-backups.ts";
import { backedUp, openScratchFleet } from "../jobs/scratch-fleet.ts";
import type { ScratchFleet } from "../jobs/scratch-fleet.ts";
import { collect } from "../metrics/collect.ts";
import { enqueueDueJobs } from "../schedule/enqueue-due-jobs.ts";
import { forgetHistory } from "./forget-history.ts";

const day = 86_400;

async function enqueue({ db, now }: ScratchFleet): Promise<string> {
  const request = { allowMissing: false, freshEpoch: false, requestedBy: "ann" };
  const [job] = await enqueueBackups(db, { ...request, selection: { case: "all" } }, now());
  assert.ok(job !== undefined);
  return job.job.id;
}

async function backUp(fleet: ScratchFleet, id: string): Promise<void> {
  await enqueue(fleet);
  const job = await claimNextJob(fleet.db, { host: "db1" }, fleet.now());
  assert.ok(job !== undefined);
  await fleet.say(job, backedUp(id));
}

const remove = (fleet: ScratchFleet, id: string) =>
  fleet.db.run("update backups set deleted_at = :at, removed_at = :at where id = :id", {
    id,
    at: fleet.now().toISOString(),
  });

const idsOf = async ({ db }: ScratchFleet, table: "jobs" | "backups") =>
  (await db.all(`select id from ${table} order by id`)).map((row) => row["id"]);

test("forgetHistory() forgets what was removed long ago, and the jobs that belong to nothing", async () => {
  await using fleet = await openScratchFleet();
  await backUp(fleet, "old");
  await backUp(fleet, "kept");
  await remove(fleet, "old");
  fleet.pass(400 * day);
  assert.deepEqual(await forgetHistory(fleet.db, {}, fleet.now()), { backups: 0, jobs: 0 });
  fleet.pass(1);
  await remove(fleet, "kept");
  assert.deepEqual(await forgetHistory(fleet.db, {}, fleet.now()), { backups: 1, jobs: 1 });
  // A backup that was removed today is still to be seen, and its job with it.
  assert.deepEqual(await idsOf(fleet, "backups"), ["kept"]);
  assert.equal((await idsOf(fleet, "jobs")).length, 1);
  assert.deepEqual(await fleet.db.all("pragma foreign_key_check"), []);
});

test("forgetHistory() keeps the jobs that wait or run, and the last run of a schedule", async () => {
  await using fleet = await openScratchFleet();
  await enqueueDueJobs(fleet.db, fleet.pass(4 * 3600));
  const [scheduled = ""] = await idsOf(fleet, "jobs");
  await cancelJob(fleet.db, { id: String(scheduled), by: "ann" }, fleet.now());
  const waiting = await enqueue(fleet);
  fleet.pass(500 * day);
  assert.deepEqual(await forgetHistory(fleet.db, {}, fleet.now()), { backups: 0, jobs: 0 });
  assert.deepEqual(new Set(await idsOf(fleet, "jobs")), new Set([scheduled, waiting]));
});

test("forgetHistory() goes in steps, and no counter falls", async () => {
  await using fleet = await openScratchFleet();
  const count = 450;
  for (let n = 0; n < count; n++)
    await cancelJob(fleet.db, { id: await enqueue(fleet), by: "ann" }, fleet.now());
  const failures = async () => {
    const text = await collect(fleet.db, { version: "1" }, fleet.now());
    return /^dbctl_backup_total\{.*status="failure"\} (\d+)$/m.exec(text)?.[1];
  };
  assert.equal(await failures(), String(count));
  fleet.pass(31 * day);
  assert.equal((await forgetHistory(fleet.db, { days: 30 }, fleet.now())).jobs, count);
  assert.deepEqual(await idsOf(fleet, "jobs"), []);
  assert.equal(await failures(), String(count));
});
