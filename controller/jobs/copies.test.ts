import assert from "node:assert/strict";
import { test } from "node:test";
import { findConditions } from "../alerts/find-conditions.ts";
import { readDatabase } from "../catalog/read-databases.ts";
import { collect } from "../metrics/collect.ts";
import { recoverability } from "../recoverability/recoverability.ts";
import { enqueueDueJobs } from "../schedule/enqueue-due-jobs.ts";
import { claimNextJob } from "./claim-next-job.ts";
import { enqueueBackups } from "./enqueue-backups.ts";
import { backedUp, failed, goldPolicy, openScratchFleet } from "./scratch-fleet.ts";
import type { EventInit, ScratchFleet } from "./scratch-fleet.ts";

// Policies that write to two repositories.

const hour = 3600;
const twoPolicy = goldPolicy.replace(
  "repository: /backups/gold",
  "repositories: [/backups/near, /backups/far]",
);

const open = () => openScratchFleet(["db1"], { policies: twoPolicy });
const all = { allowMissing: false, freshEpoch: false, requestedBy: "ann" };
const enqueue = (fleet: ScratchFleet) =>
  enqueueBackups(fleet.db, { ...all, selection: { case: "all" } }, fleet.now());

type Answer = EventInit | ((repositoryUrl: string) => EventInit);

/** Sends the next job out and has the agent answer it; where it was to store. */
async function run(fleet: ScratchFleet, answer: Answer): Promise<string> {
  const job = await claimNextJob(fleet.db, { host: "db1" }, fleet.now());
  assert.ok(job?.spec.kind.case === "backup");
  const { repositoryUrl } = job.spec.kind.value;
  await fleet.say(job, typeof answer === "function" ? answer(repositoryUrl) : answer);
  return repositoryUrl;
}

async function look(fleet: ScratchFleet) {
  const database = await readDatabase(fleet.db, "db1/shop");
  assert.ok(database !== undefined);
  await fleet.db.run("update agents set last_seen_at = :now", { now: fleet.now().toISOString() });
  return recoverability(database.coverage, fleet.now());
}

async function alerts(fleet: ScratchFleet): Promise<string[]> {
  return (await findConditions(fleet.db, fleet.now())).map(({ kind }) => kind);
}

test("a run makes a job for each repository, one after the other on one host", async () => {
  await using fleet = await open();
  const jobs = await enqueue(fleet);
  assert.equal(jobs.length, 2);
  const first = await claimNextJob(fleet.db, { host: "db1" }, fleet.now());
  assert.ok(first !== undefined);
  assert.equal(await claimNextJob(fleet.db, { host: "db1" }, fleet.now()), undefined);
  await fleet.say(first, backedUp("b1"));
  assert.notEqual(await run(fleet, backedUp("b2")), "");
  const rows = await fleet.db.all("select repository_url from backups order by repository_url");
  assert.deepEqual(
    rows.map((row) => row["repository_url"]),
    ["/backups/far", "/backups/near"],
  );
});

test("a scheduled run that meets one job of its predecessor makes only the other", async () => {
  await using fleet = await open();
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(4 * hour)), 1);
  const done = await run(fleet, backedUp("b1"));
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(24 * hour)), 1);
  const queued = await fleet.db.all("select repository_url from jobs where state = 'queued'");
  assert.equal(queued.length, 2);
  assert.equal(new Set(queued.map((row) => row["repository_url"])).size, 2);
  assert.ok(queued.some((row) => row["repository_url"] === done));
  assert.equal(await enqueueDueJobs(fleet.db, fleet.pass(24 * hour)), 0);
});

test("one good copy is enough to be recoverable, and a missing one is a warning and an alert", async () => {
  await using fleet = await open();
  await enqueue(fleet);
  const good = await run(fleet, backedUp("b1"));
  const bad = await run(fleet, failed(false));
  const now = await look(fleet);
  assert.deepEqual([now.state, now.copies], ["warning", { good: 1, wanted: 2 }]);
  assert.ok(now.until !== undefined);
  assert.match(now.reason, new RegExp(`none in ${bad}$`));
  // The failure of one is not hidden by the success of the other; the first runs had no time yet.
  assert.deepEqual(await alerts(fleet), ["backup_failed"]);
  fleet.pass(25 * hour);
  await enqueue(fleet);
  for (const id of ["b2", "b3"])
    await run(fleet, (url) => (url === good ? backedUp(id) : failed(false)));
  await look(fleet);
  assert.deepEqual(await alerts(fleet), ["copies_missing", "backup_failed"]);
  fleet.pass(60);
  await enqueue(fleet);
  for (const id of ["b4", "b5"]) await run(fleet, backedUp(id));
  assert.deepEqual(await alerts(fleet), []);
  assert.deepEqual((await look(fleet)).copies, { good: 2, wanted: 2 });
  const text = await collect(fleet.db, { version: "1" }, fleet.now());
  assert.match(text, /^dbctl_copies\{server="db1",database="shop"\} 2$/m);
  assert.match(text, /^dbctl_copies_target\{server="db1",database="shop"\} 2$/m);
});
