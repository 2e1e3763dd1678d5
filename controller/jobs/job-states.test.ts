import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import fc from "fast-check";
import { cancelJob, readStopRequests } from "./cancel-job.ts";
import { claimNextJob } from "./claim-next-job.ts";
import { enqueueBackups } from "./enqueue-backups.ts";
import { enqueueRestore, enqueueVerify } from "./enqueue-restore.ts";
import { failLostJobs, requeueLostJobs } from "./fail-lost-jobs.ts";
import { requireJob } from "./insert-job.ts";
import type { JobRecord } from "./job-record.ts";
import { watchJobs } from "./list-jobs.ts";
import { renewLeases } from "./renew-leases.ts";
import { backedUp, failed, openScratchFleet, started } from "./scratch-fleet.ts";
import type { EventInit, ScratchFleet } from "./scratch-fleet.ts";

const all = { allowMissing: false, freshEpoch: false, requestedBy: "ann" };

async function enqueue(fleet: ScratchFleet): Promise<JobRecord[]> {
  return await enqueueBackups(fleet.db, { ...all, selection: { case: "all" } }, fleet.now());
}

async function claim(fleet: ScratchFleet, host = "db1"): Promise<JobRecord> {
  const record = await claimNextJob(fleet.db, { host }, fleet.now());
  assert.ok(record !== undefined);
  return record;
}

async function backups(fleet: ScratchFleet) {
  return await fleet.db.all("select id, started_at, damaged_at, verified_at from backups");
}

test("a backup job goes from the queue to the catalog, and everybody is told", async () => {
  await using fleet = await openScratchFleet();
  const [queued] = await enqueue(fleet);
  assert.equal(queued?.spec.kind.value?.repositoryUrl, "/backups/gold");
  const job = await claim(fleet);
  const dispatched = fleet.now().toISOString();
  fleet.pass(1);
  assert.equal(await fleet.say(job, started), "applied");
  fleet.pass(30);
  const progress = { phase: "copy", bytesDone: 5n, bytesTotal: 10n };
  assert.equal(await fleet.say(job, { case: "progress", value: progress }), "applied");
  assert.equal(await fleet.say(job, backedUp("b1")), "applied");
  assert.equal(await fleet.state(job), "succeeded");
  const [backup] = await backups(fleet);
  assert.equal(backup?.["started_at"], dispatched);
  const told = ["backup_started", "backup_completed"];
  assert.deepEqual((await fleet.events()).slice(-2), told);
});

test("applyJobEvent() takes an event once", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  await fleet.say(job, started);
  await fleet.db.run("update agents set last_sequence = 100");
  assert.equal(await fleet.say(job, backedUp("b1")), "known");
  assert.equal(await fleet.state(job), "running");
});

test("applyJobEvent() refuses what another host says", async () => {
  await using fleet = await openScratchFleet(["db1", "db2"]);
  await enqueue(fleet);
  const job = await claim(fleet);
  const forged = { ...job, job: { ...job.job, host: "db2" } };
  assert.equal(await fleet.say(forged, backedUp("b1")), "refused");
  assert.deepEqual(await backups(fleet), []);
});

test("failLostJobs() gives up after the lease, requeueLostJobs() tries again after the back-off", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  await fleet.say(job, started);
  assert.equal(await failLostJobs(fleet.db, fleet.pass(60)), 0);
  assert.equal(await failLostJobs(fleet.db, fleet.pass(1)), 1);
  assert.equal(await fleet.state(job), "lost");
  assert.equal(await requeueLostJobs(fleet.db, fleet.pass(299)), 0);
  assert.equal(await requeueLostJobs(fleet.db, fleet.pass(1)), 1);
  const again = await claim(fleet);
  assert.deepEqual([again.job.id, again.job.attempt], [job.job.id, 2]);
  assert.ok(again.fencingToken > job.fencingToken);
});

test("renewLeases() keeps a job alive, and runs one on that was given up too early", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  await fleet.say(job, started);
  const claims = [{ id: job.job.id, token: job.fencingToken }];
  for (let beat = 0; beat < 20; beat += 1) {
    await renewLeases(fleet.db, { host: "db1", claims }, fleet.pass(10));
    assert.equal(await failLostJobs(fleet.db, fleet.now()), 0);
  }
  assert.equal(await failLostJobs(fleet.db, fleet.pass(61)), 1);
  await renewLeases(fleet.db, { host: "db1", claims }, fleet.now());
  assert.equal(await fleet.state(job), "running");
  await renewLeases(fleet.db, { host: "db2", claims }, fleet.pass(61));
  assert.equal(await failLostJobs(fleet.db, fleet.now()), 1);
});

test("a backup of a lost job ends that job well when it was not sent out again", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  await fleet.say(job, started);
  await failLostJobs(fleet.db, fleet.pass(61));
  assert.equal(await fleet.say(job, backedUp("b1")), "applied");
  assert.equal(await fleet.state(job), "succeeded");
  assert.equal(await requeueLostJobs(fleet.db, fleet.pass(3600)), 0);
});

test("renewLeases() lets an attempt go on that waits to be tried again, but not one that failed", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const unknown = { id: (await fleet.db.one("select id from jobs"))?.["id"], token: 0 };
  const claims = [{ id: String(unknown.id), token: unknown.token }];
  await renewLeases(fleet.db, { host: "db1", claims }, fleet.now());
  const job = await claim(fleet);
  assert.equal(job.job.attempt, 1);
  const own = [{ id: job.job.id, token: job.fencingToken }];
  await failLostJobs(fleet.db, fleet.pass(61));
  await requeueLostJobs(fleet.db, fleet.pass(300));
  await renewLeases(fleet.db, { host: "db1", claims: own }, fleet.now());
  assert.equal(await fleet.state(job), "running");
  await fleet.say(job, failed(true));
  await renewLeases(fleet.db, { host: "db1", claims: own }, fleet.now());
  assert.equal(await fleet.state(job), "queued");
});

test("a restore does not wait for a backup that runs on its host, but for another restore", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  await fleet.say(await claim(fleet), backedUp("b1"));
  await enqueue(fleet);
  await claim(fleet);
  const request = { backupId: "b1", epochKey: undefined, requestedBy: "ann", create: true };
  for (const target of ["db1/one", "db1/two"])
    await enqueueRestore(fleet.db, { ...request, target }, fleet.pass(1));
  assert.equal((await claim(fleet)).job.database, "db1/one");
  assert.equal(await claimNextJob(fleet.db, { host: "db1" }, fleet.now()), undefined);
});

test("a backup of an old dispatch is in the catalog from its own time, and the new one goes on", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const old = await claim(fleet);
  const dispatched = fleet.now().toISOString();
  await failLostJobs(fleet.db, fleet.pass(61));
  await requeueLostJobs(fleet.db, fleet.pass(300));
  const job = await claim(fleet);
  assert.equal(await fleet.say(old, started), "refused");
  assert.equal(await fleet.say(old, failed(false)), "refused");
  assert.equal(await fleet.say(old, backedUp("b1")), "applied");
  assert.equal(await fleet.state(job), "dispatched");
  assert.deepEqual(
    (await backups(fleet)).map((row) => row["started_at"]),
    [dispatched],
  );
  await fleet.say(job, started);
  await fleet.say(job, backedUp("b2"));
  assert.equal(await fleet.state(job), "succeeded");
  assert.equal((await backups(fleet)).length, 2);
});

test("a backup of a job that is cancelled meanwhile is in the catalog all the same", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const old = await claim(fleet);
  await failLostJobs(fleet.db, fleet.pass(61));
  await requeueLostJobs(fleet.db, fleet.pass(300));
  await cancelJob(fleet.db, { id: old.job.id, by: "ann" }, fleet.now());
  assert.equal(await fleet.say(old, backedUp("b1")), "applied");
  assert.equal(await fleet.state(old), "cancelled");
  assert.equal((await backups(fleet)).length, 1);
});

test("succeedJob() refuses a token that was never sent", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  assert.equal(await fleet.say({ ...job, fencingToken: 7 }, backedUp("b1")), "refused");
  assert.deepEqual(await backups(fleet), []);
});

const unusable: [title: string, event: EventInit][] = [
  ["of another kind", { case: "succeeded", value: { kind: { case: "verify", value: {} } } }],
  ["of no kind", { case: "succeeded", value: {} }],
  ["without a backup id", backedUp("")],
  ["in an unknown state", backedUp("b1", "fine")],
];
for (const [title, event] of unusable)
  test(`succeedJob() fails the job when its result is ${title}`, async () => {
    await using fleet = await openScratchFleet();
    await enqueue(fleet);
    const job = await claim(fleet);
    assert.equal(await fleet.say(job, event), "applied");
    assert.equal(await fleet.state(job), "failed");
    assert.deepEqual(await backups(fleet), []);
  });

test("failJob() tries again what may pass, as often as the policy says", async () => {
  await using fleet = await openScratchFleet();
  const [queued] = await enqueue(fleet);
  assert.ok(queued !== undefined);
  for (const state of ["queued", "queued", "failed"]) {
    const job = await claim(fleet);
    await fleet.say(job, started);
    await fleet.say(job, failed(true));
    assert.equal(await fleet.state(job), state);
    assert.equal(await claimNextJob(fleet.db, { host: "db1" }, fleet.now()), undefined);
    fleet.pass(300);
  }
  assert.equal((await requireJob(fleet.db, queued.job.id)).job.attempt, 3);
});

test("failJob() tells of a lost attempt again only when no other follows after all", async () => {
  for (const retryable of [true, false]) {
    await using fleet = await openScratchFleet();
    await enqueue(fleet);
    const job = await claim(fleet);
    await fleet.say(job, started);
    await failLostJobs(fleet.db, fleet.pass(61));
    assert.equal(await fleet.say(job, failed(retryable)), "applied");
    assert.equal(await fleet.state(job), retryable ? "queued" : "failed");
    const told = (await fleet.events()).filter((type) => type === "backup_failed");
    assert.equal(told.length, retryable ? 1 : 2);
  }
});

test("failJob() does not try again what cannot pass", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  await fleet.say(job, failed(false));
  assert.equal(await fleet.state(job), "failed");
  assert.equal((await fleet.events()).at(-1), "backup_failed");
});

test("cancelJob() ends a queued job at once, and asks the agent for one at work", async () => {
  await using fleet = await openScratchFleet();
  const [queued] = await enqueue(fleet);
  assert.ok(queued !== undefined);
  await cancelJob(fleet.db, { id: queued.job.id, by: "ann" }, fleet.now());
  assert.equal(await fleet.state(queued), "cancelled");
  await enqueue(fleet);
  const job = await claim(fleet);
  await cancelJob(fleet.db, { id: job.job.id, by: "ann" }, fleet.now());
  const stop = { id: job.job.id, token: job.fencingToken };
  assert.deepEqual(await readStopRequests(fleet.db, "db1"), [stop]);
  await fleet.say(job, { case: "cancelled", value: {} });
  const ended = await requireJob(fleet.db, job.job.id);
  assert.ok(ended.job.state?.kind.case === "cancelled");
  assert.equal(ended.job.state.kind.value.by, "ann");
  const after = await cancelJob(fleet.db, { id: job.job.id, by: "bob" }, fleet.now());
  assert.deepEqual(after.job.state, ended.job.state);
});

test("cancelJob() keeps a lost job from being tried again", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  await failLostJobs(fleet.db, fleet.pass(61));
  await cancelJob(fleet.db, { id: job.job.id, by: "ann" }, fleet.now());
  assert.equal(await requeueLostJobs(fleet.db, fleet.pass(3600)), 0);
});

/** What another controller claims, in a process of its own: it says when it begins. */
const otherController = (path: string, hosts: readonly string[], now: Date) => `
  const { openDatabase } = await import(${JSON.stringify(import.meta.resolve("../database/database.ts"))});
  const { claimNextJob } = await import(${JSON.stringify(import.meta.resolve("./claim-next-job.ts"))});
  await using db = await openDatabase(${JSON.stringify(path)});
  const claim = (host) => claimNextJob(db, { host }, new Date(${+now}));
  console.log("ready");
  const claims = await Promise.all(${JSON.stringify(hosts)}.map(claim));
  console.log(JSON.stringify(claims.filter(Boolean).map(({ job }) => job.host)));`;

test("claimNextJob() gives each of two controllers its own job, and a host one at a time", async () => {
  await using fleet = await openScratchFleet(["db1", "db2"]);
  await enqueue(fleet);
  await enqueue(fleet);
  const hosts = ["db1", "db2", "db1", "db2"];
  const source = otherController(fleet.path, hosts, fleet.now());
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "ready");
  const claims = await Promise.all(
    hosts.map((host) => claimNextJob(fleet.db, { host }, fleet.now())),
  );
  const here = claims.filter((record) => record !== undefined).map(({ job }) => job.host);
  const there = JSON.parse(String((await lines.next()).value)) as string[];
  assert.deepEqual([...here, ...there].toSorted(), ["db1", "db2"]);
});

test("claimNextJob() holds the budget of a repository", async () => {
  const hosts = Array.from({ length: 18 }, (_, index) => `db${index}`);
  await using fleet = await openScratchFleet(hosts);
  await enqueue(fleet);
  const claims: unknown[] = [];
  for (const host of hosts) claims.push(await claimNextJob(fleet.db, { host }, fleet.now()));
  assert.equal(claims.filter((record) => record !== undefined).length, 16);
});

test("a restore goes before backups, is tried again, and a verification marks its backup", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  const job = await claim(fleet);
  await fleet.say(job, backedUp("b1"));
  await enqueue(fleet);
  fleet.pass(5);
  const request = { backupId: "b1", epochKey: undefined, requestedBy: "ann" };
  await enqueueRestore(fleet.db, { ...request, target: "db1/copy", create: true }, fleet.now());
  const restore = await claim(fleet);
  assert.ok(restore.spec.kind.case === "restore");
  assert.deepEqual(
    [restore.spec.kind.value.instance, restore.spec.kind.value.database],
    ["main", "copy"],
  );
  assert.equal(restore.maxAttempts, 3);
  const restored = { kind: { case: "restore", value: { backupId: "b1" } } } as const;
  assert.equal(await fleet.say(restore, { case: "succeeded", value: restored }), "applied");
  assert.equal((await fleet.events()).at(-1), "restore_completed");
  await fleet.say(await claim(fleet), backedUp("b2"));
  for (const damages of [[], ["chunk 7 is gone"], []]) {
    fleet.pass(5);
    await enqueueVerify(fleet.db, { ...request, host: "" }, fleet.now());
    const verify = await claim(fleet);
    const value = { kind: { case: "verify", value: { backupId: "b1", damages } } } as const;
    assert.equal(await fleet.say(verify, { case: "succeeded", value }), "applied");
    const row = (await backups(fleet)).find((one) => one["id"] === "b1");
    assert.equal(row?.["damaged_at"] === null, damages.length === 0);
    assert.equal(row?.["verified_at"] !== null, damages.length === 0);
  }
});

test("enqueueRestore() and enqueueVerify() say what is unknown", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  await fleet.say(await claim(fleet), backedUp("b1"));
  const request = { backupId: "b1", create: true, epochKey: undefined, requestedBy: "ann" };
  const restore = (wanted: object) =>
    enqueueRestore(fleet.db, { ...request, target: "db1/copy", ...wanted }, fleet.now());
  await assert.rejects(restore({ backupId: "b9" }), { code: "backup-unknown" });
  await assert.rejects(restore({ target: "db1" }), { code: "usage" });
  await assert.rejects(restore({ target: "db3/shop" }), { code: "host-unknown", remedy: /"db1"/ });
  await assert.rejects(enqueueVerify(fleet.db, { ...request, host: "nowhere" }, fleet.now()), {
    code: "host-unknown",
  });
});

test("enqueueBackups() names the nearest database, and leaves none out silently", async () => {
  await using fleet = await openScratchFleet(["db1", "db2"], {
    policies: goldPolicyOf("host=db1"),
  });
  const enqueueSome = (selection: Parameters<typeof enqueueBackups>[1]["selection"]) =>
    enqueueBackups(fleet.db, { ...all, selection }, fleet.now());
  assert.equal((await enqueueSome({ case: "all" })).length, 1);
  assert.equal((await enqueueSome({ case: "names", names: ["db1", "db1/shop"] })).length, 1);
  const wrong = enqueueSome({ case: "names", names: ["db1/shop", "db1/shp"] });
  await assert.rejects(wrong, { code: "database-unknown", remedy: /"db1\/shop"/ });
  await assert.rejects(enqueueSome({ case: "selector", selector: "env=prod" }), /db2\/shop/);
  const none = enqueueSome({ case: "selector", selector: "env=test" });
  await assert.rejects(none, { code: "usage", remedy: /env=prod/ });
  await assert.rejects(enqueueSome({ case: "selector", selector: "env" }), { code: "usage" });
  await assert.rejects(enqueueSome({ case: "names", names: [] }), { code: "usage" });
  assert.equal((await fleet.db.all("select 1 from jobs")).length, 2);
});

function goldPolicyOf(selector: string): string {
  return `[{ name: gold, select: "${selector}", schedule: daily, repository: /backups }]`;
}

test("watchJobs() shows each change until all jobs have ended", async () => {
  await using fleet = await openScratchFleet();
  const [queued] = await enqueue(fleet);
  assert.ok(queued !== undefined);
  const signal = AbortSignal.timeout(5000);
  const seen: string[] = [];
  for await (const record of watchJobs(fleet.db, { ids: [queued.job.id], pauseMs: 1, signal })) {
    seen.push(record.job.state?.kind.case ?? "");
    if (seen.length === 1) await claim(fleet);
    if (seen.length === 2) await fleet.say(record, started);
    if (seen.length === 3) await fleet.say(record, backedUp("b1"));
  }
  assert.deepEqual(seen, ["queued", "dispatched", "running", "succeeded"]);
});

type Step =
  | "claim"
  | "start"
  | "succeed"
  | "fail"
  | "fail-for-good"
  | "cancel"
  | "beat"
  | "lose"
  | "requeue"
  | "old-success";
const steps: Step[] = [
  "claim",
  "start",
  "succeed",
  "fail",
  "fail-for-good",
  "cancel",
  "beat",
  "lose",
  "requeue",
  "old-success",
];

/** What one job may do, in the simplest words. */
class Model {
  state = "queued";
  attempt = 1;
  cancelling = false;
  backups = 0;
  dispatches = 0;
  /** Queued again after it was lost: the agent may come back. */
  resumable = false;

  take(step: Step): void {
    const atWork = this.state === "dispatched" || this.state === "running";
    const open = atWork || this.state === "lost";
    const more = this.attempt < 3 && !this.cancelling;
    const waits = this.state === "queued";
    if (step === "claim" && waits) {
      this.state = "dispatched";
      this.dispatches += 1;
      this.resumable = false;
    } else if (step === "start" && (this.state === "dispatched" || this.state === "lost"))
      this.state = "running";
    else if (step === "succeed" && this.dispatches > 0) {
      this.backups += 1;
      if (open || (waits && this.resumable)) this.state = "succeeded";
    } else if (step === "old-success" && this.dispatches > 1) this.backups += 1;
    else if (step === "fail" && open) {
      this.state = more ? "queued" : "failed";
      if (more) this.attempt += 1;
    } else if (step === "fail-for-good" && open) this.state = "failed";
    else if (step === "cancel" && waits) this.state = "cancelled";
    else if (step === "cancel" && open) this.cancelling = true;
    else if (step === "beat" && this.state === "lost") this.state = "running";
    else if (step === "beat" && waits && this.resumable) {
      this.state = "running";
      this.attempt -= 1;
      this.resumable = false;
    } else if (step === "lose" && atWork) this.state = "lost";
    else if (step === "requeue" && this.state === "lost" && more) {
      this.state = "queued";
      this.attempt += 1;
      this.resumable = true;
    }
  }
}

test("a job goes where a simple model goes, whatever happens in whatever order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...steps), { maxLength: 25 }), async (sequence) => {
      await using fleet = await openScratchFleet();
      const [queued] = await enqueue(fleet);
      assert.ok(queued !== undefined);
      const model = new Model();
      let newest = queued;
      let older = queued;
      let backup = 0;
      const { db } = fleet;
      for (const step of sequence) {
        model.take(step);
        fleet.pass(301);
        const claims = [{ id: newest.job.id, token: newest.fencingToken }];
        // Whatever does not lose it keeps its lease: time passes for the back-off only.
        if (step !== "lose")
          await db.run("update jobs set lease_until = '9' where lease_until is not null");
        const claimed =
          step === "claim" ? await claimNextJob(db, { host: "db1" }, fleet.now()) : undefined;
        if (claimed !== undefined) [older, newest] = [newest, claimed];
        if (step === "start") await fleet.say(newest, started);
        if (step === "succeed") await fleet.say(newest, backedUp(`b${(backup += 1)}`));
        if (step === "old-success") await fleet.say(older, backedUp(`b${(backup += 1)}`));
        if (step === "fail") await fleet.say(newest, failed(true));
        if (step === "fail-for-good") await fleet.say(newest, failed(false));
        if (step === "cancel") await cancelJob(db, { id: newest.job.id, by: "ann" }, fleet.now());
        if (step === "beat") await renewLeases(db, { host: "db1", claims }, fleet.now());
        if (step === "lose") {
          await db.run("update jobs set lease_until = '1' where lease_until is not null");
          await failLostJobs(db, fleet.now());
        }
        if (step === "requeue") await requeueLostJobs(db, fleet.now());
        const record = await requireJob(db, newest.job.id);
        const real = [
          record.job.state?.kind.case,
          record.job.attempt,
          (await backups(fleet)).length,
        ];
        assert.deepEqual(real, [model.state, model.attempt, model.backups], `after ${step}`);
      }
    }),
    { numRuns: 40 },
  );
});
