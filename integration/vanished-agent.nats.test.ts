import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { enrol } from "../agent/enrol.ts";
import { type ToldEvent, parseToldEvent } from "../controller/bus/fleet-event.ts";
import { createNatsBus } from "../controller/bus/nats-bus.ts";
import { readDatabase } from "../controller/catalog/read-databases.ts";
import { type Received, startReceiver } from "../controller/notify/scratch-receiver.ts";
import { predict } from "../controller/recoverability/recoverability.ts";
import { adminFile } from "../controller/first-admin.ts";
import { Secret } from "../core/secret.ts";
import { AgentsService } from "../proto/gen/dbctl/v1/agents_pb.ts";
import { JobsService } from "../proto/gen/dbctl/v1/jobs_pb.ts";
import { PoliciesService } from "../proto/gen/dbctl/v1/policies_pb.ts";
import { waitFor } from "./fixtures/fleet.ts";
import { type FleetController, startFleetController } from "./fixtures/fleet-controller.ts";
import { startNats } from "./fixtures/nats-server.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { type SimulatedAgent, startSimulatedAgent, Workload } from "./fixtures/simulated-agent.ts";

const hourMs = 3600_000;
const rpoMs = 2 * hourMs;
/** So old may what a scrape gets be. */
const metricsCacheMs = 30_000;
const secret = "a-secret-of-the-receiver";
/** By host: how far its clock is ahead of the controller's. */
const hosts = new Map([
  ["right", 0],
  ["early", -hourMs],
  ["late", hourMs],
]);
const names = [...hosts.keys()].map((host) => `${host}/shop`);

test("a vanished agent's databases turn warning, then violated, when predicted, everywhere", async () => {
  await using nats = await startNats();
  await using receiver = await startReceiver();
  await using bus = createNatsBus({ url: nats.url });
  await using fleet = await startFleetController({ bus });
  await using dbctl = await makeDbctlScratch({ init: false });
  await using watcher = watchBus(nats.url);
  await dbctl.ok("login", fleet.address, "--identity-file", adminFile(fleet.state));
  const agents = await joinAll(fleet);
  await protect(fleet, { hook: receiver.url, folder: dbctl.folder });
  await backUpAll(fleet);
  for (const agent of agents) await agent.vanish();
  fleet.frozenAt = new Date();

  const moments = await Promise.all(names.map((name) => momentsOf(fleet, name)));
  const sorted = (at: "warningAt" | "violatedAt") =>
    moments.map((moment) => moment[at]).toSorted((a, b) => a.getTime() - b.getTime());
  const earliest = (at: "warningAt" | "violatedAt") => sorted(at)[0] ?? assert.fail();
  const latest = (at: "warningAt" | "violatedAt") => sorted(at).at(-1) ?? assert.fail();
  const status = async () => statesOf((await dbctl.ok("status")).databases);
  const metric = () => metricStates(fleet.metricsUrl);
  const told = (type: string) => isTold(type, watcher.told, receiver.received);

  assert.deepEqual(await metric(), all("0"));
  fleet.frozenAt = earliest("warningAt");
  assert.deepEqual(await status(), all("ok"));
  fleet.frozenAt = after(latest("warningAt"));
  assert.deepEqual([await status(), await metric()], [all("warning"), all("1")]);
  await waitFor("the warnings", () => told("rpo_warning"));

  fleet.frozenAt = new Date(earliest("violatedAt").getTime() - metricsCacheMs);
  assert.deepEqual(await metric(), all("1"));
  fleet.frozenAt = earliest("violatedAt");
  assert.deepEqual(await status(), all("warning"));
  assert.ok(watcher.told.every(({ type }) => type !== "rpo_violation"));
  fleet.frozenAt = after(latest("violatedAt"));
  assert.deepEqual([await status(), await metric()], [all("violated"), all("2")]);
  await waitFor("the violations", () => told("rpo_violation"));

  const violated = fleet.frozenAt.toISOString();
  for (const { type, at } of watcher.told)
    if (type === "rpo_violation") assert.equal(at, violated, "told by the controller's clock");
  for (const call of receiver.received) assertSigned(call);
  assert.deepEqual(
    idsOf(receiver.received).filter((id) => !watcher.ids().has(id)),
    [],
  );
});

async function joinAll(fleet: FleetController): Promise<SimulatedAgent[]> {
  const client = fleet.client(AgentsService, fleet.admin);
  const { signal } = new AbortController();
  return await Promise.all(
    [...hosts].map(async ([host, clockAheadMs]) => {
      const { token } = await client.createToken({ ttlSeconds: 60 });
      const stateDir = await fleet.folder();
      const now = () => new Date();
      const identity = await enrol({ token: new Secret(token), host, stateDir, now, signal });
      const workload = new Workload();
      const options = { databases: ["shop"], workload, jobMs: 0, clockAheadMs };
      return await startSimulatedAgent(identity, options);
    }),
  );
}

async function protect(
  fleet: FleetController,
  { hook, folder }: { hook: string; folder: string },
): Promise<void> {
  const secretFile = join(folder, "webhook-secret");
  await writeFile(secretFile, `${secret}\n`, { mode: 0o600 });
  const notify = [{ webhook: hook, min_severity: "warning", secret_file: secretFile }];
  const policy = { name: "all", select: "engine=postgres", schedule: "0 * * * *", rpo: "2h" };
  // JSON is YAML.
  const yaml = JSON.stringify([{ ...policy, repository: "file:///nowhere", notify }]);
  const client = fleet.client(PoliciesService, fleet.admin);
  const { faults } = await client.applyPolicies({ yaml, fileName: "policies.yaml" });
  assert.deepEqual(faults, []);
}

async function backUpAll(fleet: FleetController): Promise<void> {
  const client = fleet.client(JobsService, fleet.admin);
  const { jobs } = await client.enqueueBackups({ selection: { case: "names", value: { names } } });
  const ids = jobs.map(({ id }) => id);
  const ended = new Map<string, string | undefined>();
  for await (const { job } of client.watchJobs({ ids }))
    if (job !== undefined) ended.set(job.database, job.state?.kind.case);
  assert.deepEqual(Object.fromEntries(ended), all("succeeded"));
}

/** As the pure function predicts it; and what this has to be, by the requirements' own words. */
async function momentsOf(fleet: FleetController, name: string) {
  const coverage = (await readDatabase(fleet.db, name))?.coverage;
  const { newestAt, agentSeenAt } = coverage ?? {};
  assert.ok(coverage !== undefined && newestAt !== undefined && agentSeenAt !== undefined);
  const { warningAt, violatedAt } = predict(coverage);
  assert.equal(warningAt?.getTime(), agentSeenAt.getTime() + 60_000);
  assert.equal(violatedAt?.getTime(), newestAt.getTime() + rpoMs);
  const isNow = (moment: Date) => Math.abs(Date.now() - moment.getTime()) < 60_000;
  assert.ok(isNow(newestAt) && isNow(agentSeenAt), "the host's clock counts for nothing");
  const [host = ""] = name.split("/");
  const row = await fleet.db.one(
    "select clock_skew_seconds as skew from agents where host = :host",
    {
      host,
    },
  );
  const expected = (hosts.get(host) ?? 0) / 1000;
  assert.ok(Math.abs(Number(row?.["skew"]) - expected) < 30, `skew of ${host} is shown`);
  return { warningAt, violatedAt };
}

/** What another program on the bus hears. */
function watchBus(url: string) {
  const bus = createNatsBus({ url });
  const stop = new AbortController();
  const told: ToldEvent[] = [];
  const handle = async ({ body }: { body: string }) => void told.push(parseToldEvent(body));
  const consuming = bus.consume({ name: "watcher", handle }, stop.signal);
  return {
    told,
    ids: () => new Set(told.map(({ id }) => id)),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await consuming;
      await bus[Symbol.asyncDispose]();
    },
  };
}

/** Whether each database's alert came over the bus and to the webhook. */
function isTold(type: string, told: readonly ToldEvent[], received: readonly Received[]): boolean {
  const ids = new Set(idsOf(received));
  return [...hosts.keys()].every((host) => {
    const words = told.filter((one) => one.type === type && one.host === host);
    const isAlert = words.some(({ kind, state }) => kind === "alert" && state === "open");
    return isAlert && words.some(({ id }) => ids.has(id));
  });
}

function idsOf(received: readonly Received[]): string[] {
  return received.map(({ headers }) => String(headers["x-dbctl-event-id"]));
}

function assertSigned({ headers, body }: Received): void {
  const [, time = "", mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(
    String(headers["x-dbctl-signature"]),
  ) ?? [""];
  const hmac = (text: string) => createHmac("sha256", secret).update(text).digest("hex");
  assert.equal(mac, hmac(`${time}.${body}`));
  assert.equal(headers["x-webhook-signature"], `sha256=${hmac(body)}`);
}

async function metricStates(url: string): Promise<Record<string, string>> {
  const text = await (await fetch(url)).text();
  const found = text.matchAll(/^dbctl_rpo_state\{server="([^"]*)",database="([^"]*)"\} (\d+)$/gm);
  return Object.fromEntries(
    [...found].map(([, host, database, value]) => [`${host}/${database}`, value ?? ""]),
  );
}

function statesOf(databases: unknown): Record<string, string> {
  const list = databases as { name: string; recoverability: { state: string } }[];
  return Object.fromEntries(list.map(({ name, recoverability }) => [name, recoverability.state]));
}

function all(state: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, state]));
}

function after(moment: Date): Date {
  return new Date(moment.getTime() + 1);
}
