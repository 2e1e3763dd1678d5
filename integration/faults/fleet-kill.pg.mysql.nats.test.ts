import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ToldEvent } from "../../controller/bus/fleet-event.ts";
import { waitFor } from "../fixtures/fleet.ts";
import { type NatsServer, startNats } from "../fixtures/nats-server.ts";
import { type FleetUnderFire, consumeAll, startFleetUnderFire } from "./fleet-under-fire.ts";
import { timeOf } from "./kill-after.ts";

/** How often each process is killed; 20 take a quarter of an hour. */
const rounds = Number(process.env["DBCTL_FAULT_ROUNDS"] ?? 1);

const leaseSeconds = 4;

let nats: NatsServer;
let site: FleetUnderFire;
/** From the order on. */
let wholeMs: number;
const stack = new AsyncDisposableStack();

before(async () => {
  nats = stack.use(await startNats());
  const controllerArgs = ["--lease-seconds", String(leaseSeconds)];
  site = stack.use(await startFleetUnderFire({ nats: nats.url, controllerArgs, rows: 30_000 }));
  const jobs = await backUpAll();
  wholeMs = await timeOf(() => convergence(jobs));
});
after(() => stack.disposeAsync());

test(`kill -9 of an agent ${rounds} times during backup --all: its jobs are tried again`, async (t) => {
  for (let n = 0; n < rounds; n++) {
    const agent = site.agents[n % 2 === 0 ? 0 : 1];
    const jobs = await backUpAll();
    await waitFor("work of the agent", () => isAtWork(jobs, agent.host));
    await sleep((Math.random() * wholeMs) / 4);
    const before = await stateOf(jobs, agent.host);
    await agent.process.kill();
    // Every third stays away until its jobs are lost; the others are back at once.
    const isLost = n % 3 === 0 && (await isAtWork(jobs, agent.host));
    if (isLost) await waitFor("the loss of a job", () => wasLost(jobs));
    await agent.restart();
    await convergence(jobs);
    t.diagnostic(`killed ${agent.host} while ${before}${isLost ? ", back after the loss" : ""}`);
  }
  await assertNothingIsAmiss();
});

test(`kill -9 of the controller ${rounds} times during backup --all: it learns what went on`, async (t) => {
  for (let n = 0; n < rounds; n++) {
    const jobs = await backUpAll();
    await sleep(Math.random() * wholeMs);
    const before = await Promise.all(site.agents.map(({ host }) => stateOf(jobs, host)));
    await site.fleet.controller.kill();
    await sleep(Math.random() * wholeMs);
    await site.fleet.restartController();
    await convergence(jobs);
    t.diagnostic(`killed it while the jobs were ${before.join(", ")}`);
  }
  await assertNothingIsAmiss();
});

test(`kill -9 of NATS ${rounds} times during backup --all: no event is lost or told twice`, async () => {
  for (let n = 0; n < rounds; n++) {
    const jobs = await backUpAll();
    await sleep(Math.random() * wholeMs);
    await nats.kill();
    await sleep(Math.random() * wholeMs);
    await nats.start();
    await convergence(jobs);
  }
  await assertNothingIsAmiss();
});

/** The ids of the jobs. */
async function backUpAll(): Promise<string[]> {
  await site.write();
  const { jobs } = await site.fleet.dbctl.ok("backup", "--all");
  const ids = (jobs as { job: string }[]).map(({ job }) => job);
  assert.equal(ids.length, 3);
  return ids;
}

async function stateOf(jobs: string[], host: string): Promise<string> {
  const rows = await readJobs(jobs);
  return rows
    .filter((row) => row["host"] === host)
    .map((row) => String(row["state"]))
    .join(" and ");
}

async function isAtWork(jobs: string[], host: string): Promise<boolean> {
  return /dispatched|running/.test(await stateOf(jobs, host));
}

/** Whether people were told that an agent was silent past the lease of one of the jobs. */
async function wasLost(jobs: string[]): Promise<boolean> {
  const bodies = await site.db.all("select body from outbox where body like '%silent past%'");
  return bodies.some(({ body }) => jobs.some((job) => String(body).includes(job)));
}

function readJobs(ids: string[]) {
  const list = ids.map((id) => `'${id}'`).join(", ");
  return site.db.all(`select * from jobs where id in (${list}) order by host`);
}

/** Nobody does anything: the jobs succeed, and everything is told. */
async function convergence(jobs: string[]): Promise<void> {
  const describe = async () => JSON.stringify(await readJobs(jobs));
  await waitFor("success of all jobs", async () =>
    (await readJobs(jobs)).every((row) => row["state"] === "succeeded"),
  ).catch(async (error: unknown) => {
    throw new Error(`${await describe()}\n${site.fleet.controller.output().slice(-3000)}`, {
      cause: error,
    });
  });
  await waitFor("an empty outbox", async () => {
    const row = await site.db.one("select count(*) as n from outbox where published_at is null");
    return row?.["n"] === 0;
  });
}

async function assertNothingIsAmiss(): Promise<void> {
  await assertBackupsAreWhole();
  await assertAllIsToldOnce();
}

async function assertBackupsAreWhole(): Promise<void> {
  const { dbctl } = site.fleet;
  const { backups } = await dbctl.ok("backups", "ls", "--repo", dbctl.repo);
  const listed = backups as { backup: string; state: string }[];
  assert.deepEqual(
    listed.filter(({ state }) => state !== "complete"),
    [],
  );
  const ids = new Set(listed.map(({ backup }) => backup));
  for (const { id } of await site.db.all("select id from backups"))
    assert.ok(ids.has(String(id)), `the catalog has ${id}, the repository has not`);
  const lacking = await site.db.all(
    `select id from jobs where state = 'succeeded'
       and not exists (select 1 from backups where job_id = jobs.id)`,
  );
  assert.deepEqual(lacking, [], "every job that has succeeded has its backup");
  for (const { backup } of listed.slice(-3))
    await dbctl.ok("verify", backup, "--repo", dbctl.repo, "--identity", dbctl.identity);
}

/** What a consumer gets is what happened: each once, in order, under its own id. */
async function assertAllIsToldOnce(): Promise<void> {
  const outbox = await site.db.all("select id, subject, body from outbox order by position");
  assert.deepEqual(await consumeAll(nats.url), outbox);
  const told = outbox.map(({ body }) => JSON.parse(String(body)) as ToldEvent);
  const completed = told.filter(({ type }) => type === "backup_completed");
  assert.deepEqual(
    completed.map(({ details }) => String(details["backup"])).toSorted(),
    (await site.db.all("select id from backups order by id")).map(({ id }) => id),
    "each backup is told of once",
  );
  const failures = told
    .filter(({ kind, type }) => kind === "event" && type === "backup_failed")
    .map(({ details }) => `${details["job"]} ${details["attempt"]}`);
  assert.deepEqual(failures, [...new Set(failures)], "each failed attempt is told of once");
}
