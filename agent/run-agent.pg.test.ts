import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { readFleetIdentity, writeFleetIdentity } from "../core/fleet-identity.ts";
import { startFleetController } from "../integration/fixtures/fleet-controller.ts";
import { startPostgres } from "../integration/fixtures/postgres-server.ts";
import { psql } from "../integration/fixtures/psql.ts";
import { makeScratchFolder } from "../integration/fixtures/scratch-folder.ts";
import { AgentsService } from "../proto/gen/dbctl/v1/agents_pb.ts";
import { DatabasesService } from "../proto/gen/dbctl/v1/databases_pb.ts";
import { type Job, JobsService } from "../proto/gen/dbctl/v1/jobs_pb.ts";
import { PoliciesService } from "../proto/gen/dbctl/v1/policies_pb.ts";
import { openStore } from "./adapters.ts";
import { fileRecipient } from "./repository/recipient.ts";
import { identityFile } from "./enrol.ts";
import { generateIdentity } from "./repository/identity.ts";
import { initRepository } from "./repository/init-repository.ts";
import { runAgent } from "./run-agent.ts";

const { signal } = new AbortController();

/** A controller and one agent in this process, on a real server with a database `shop`. */
async function scratchFleet() {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres(15));
  await psql(server, "postgres", "create database shop");
  const sql =
    "create table orders as select n, repeat('x', 50) as note from generate_series(1, 2000) n";
  await psql(server, "shop", sql);
  const fleet = stack.use(await startFleetController());
  const folder = stack.use(await makeScratchFolder("agent"));
  const repositoryUrl = `file://${folder.path}/repo`;
  const { recipient } = await generateIdentity();
  const recipients = [fileRecipient(recipient, { now: new Date() })];
  await initRepository(await openStore(repositoryUrl), { recipients, now: new Date(), signal });
  const config = join(folder.path, "agent.yaml");
  const instances = [{ name: "main", url: server.url(""), labels: { env: "test" } }];
  const state_dir = join(folder.path, "state");
  await writeFile(config, JSON.stringify({ host: "db1", state_dir, instances }));
  const tokenFile = join(folder.path, "token");
  const { token } = await fleet.client(AgentsService, fleet.admin).createToken({ ttlSeconds: 600 });
  await writeFile(tokenFile, token, { mode: 0o600 });
  const owned = stack.move();
  return {
    server,
    fleet,
    repositoryUrl,
    stateDir: state_dir,
    flags: { config, tokenFile, drainSeconds: 5 },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let n = 0; n < 300; n++) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(100);
  }
  return assert.fail(`${what} did not happen`);
}

type Scratch = Awaited<ReturnType<typeof scratchFleet>>;

/** Runs an agent during the work, then stops it as SIGTERM does. */
async function withAgent<T>({ flags }: Scratch, work: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const running = runAgent(flags, stop.signal);
  const result = await Promise.race([work(), running.then(() => assert.fail("it stopped"))]);
  stop.abort(new Error("enough"));
  await running;
  return result;
}

/** The controller hears the agent from now on. */
async function untilSeen({ fleet }: Scratch): Promise<void> {
  const since = Date.now();
  await until("the agent's greeting", async () => {
    const { agents } = await fleet.client(AgentsService, fleet.admin).listAgents({});
    const seen = agents[0]?.lastSeenAt;
    return seen !== undefined && timestampMs(seen) > since ? true : undefined;
  });
}

/** The database is known and has a policy; gives its job. */
async function enqueue({ fleet, repositoryUrl }: Scratch): Promise<Job> {
  const databases = fleet.client(DatabasesService, fleet.admin);
  await until("discovery", async () => {
    const { databases: all } = await databases.listDatabases({});
    return all.find(({ name }) => name === "db1/shop");
  });
  const yaml = `- name: all
  select: env=test
  schedule: "0 3 * * *"
  rpo: 27h
  repository: ${repositoryUrl}
`;
  const policies = fleet.client(PoliciesService, fleet.admin);
  const { faults } = await policies.applyPolicies({ yaml, fileName: "p.yaml" });
  assert.deepEqual(faults, []);
  const names = { case: "names" as const, value: { names: ["db1/shop"] } };
  const { jobs } = await fleet
    .client(JobsService, fleet.admin)
    .enqueueBackups({ selection: names });
  const [job] = jobs;
  assert.ok(job !== undefined);
  return job;
}

const inState = ({ fleet }: Scratch, id: string, ...states: string[]) =>
  until(states.join(" or "), async () => {
    const { job } = await fleet.client(JobsService, fleet.admin).getJob({ id });
    return states.includes(job?.state?.kind.case ?? "") ? job : undefined;
  });

const sessions = ({ server }: Scratch) =>
  psql(
    server,
    "postgres",
    "select count(*) from pg_stat_activity where datname = 'shop' and backend_type = 'client backend'",
  );

/** Locks the table: a backup waits as long as the lock is held. */
async function holdLock({ server }: Scratch) {
  const sql = "begin; lock table orders in access exclusive mode; select pg_sleep(60)";
  const holding = psql(server, "shop", sql).catch(() => "ended");
  const locks = async (which: string) => {
    const count = `select count(*) from pg_locks where relation = 'orders'::regclass and ${which}`;
    return (await psql(server, "shop", count)) === "0" ? undefined : true;
  };
  await until("the lock", () => locks("granted"));
  return {
    waitedFor: () => until("waiting for the lock", () => locks("not granted")),
    release: async () => {
      const holder = "query like '%pg_sleep(60)%' and pid <> pg_backend_pid()";
      const end = `select pg_terminate_backend(pid) from pg_stat_activity where ${holder}`;
      await psql(server, "postgres", end);
      await holding;
    },
  };
}

test("runAgent() joins, is seen, backs up what it is told to, and ends when it is told to", async () => {
  await using scratch = await scratchFleet();
  const job = await withAgent(scratch, async () => {
    const { id } = await enqueue(scratch);
    return await inState(scratch, id, "succeeded", "failed");
  });
  const kind = job.state?.kind;
  assert.ok(kind?.case === "succeeded");
  const result = kind.value.result?.kind;
  assert.ok(result?.case === "backup");
  assert.deepEqual([result.value.rows, result.value.state], [2000n, "complete"]);
  // It joined once: the token is not needed, and not used, a second time.
  await withAgent(scratch, () => untilSeen(scratch));
});

test("a cancelled backup ends within five seconds and leaves no session on the server", async () => {
  await using scratch = await scratchFleet();
  const { fleet } = scratch;
  await withAgent(scratch, async () => {
    const lock = await holdLock(scratch);
    const { id } = await enqueue(scratch);
    await inState(scratch, id, "running");
    await lock.waitedFor();
    const startedAt = performance.now();
    await fleet.client(JobsService, fleet.admin).cancelJob({ id });
    await inState(scratch, id, "cancelled");
    assert.ok(performance.now() - startedAt < 5_000);
    await lock.release();
    await until("no session", async () => ((await sessions(scratch)) === "0" ? true : undefined));
  });
});

/** Stands between agent and controller, and cuts what passes through. */
async function startProxy(address: string) {
  const [host = "", port = ""] = address.split(":");
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const place = server.address();
  assert.ok(place !== null && typeof place === "object");
  const end = async () => {
    server.close();
    cut();
  };
  return { address: `127.0.0.1:${place.port}`, cut, [Symbol.asyncDispose]: end };
}

test("a link that is cut does not stop a backup, and its result is told later", async () => {
  await using scratch = await scratchFleet();
  await withAgent(scratch, () => untilSeen(scratch));
  await using proxy = await startProxy(scratch.fleet.address);
  const file = identityFile(scratch.stateDir);
  const identity = await readFleetIdentity(file);
  assert.ok(identity !== undefined);
  await writeFleetIdentity(file, { ...identity, address: proxy.address });
  await withAgent(scratch, async () => {
    const lock = await holdLock(scratch);
    const { id } = await enqueue(scratch);
    await inState(scratch, id, "running");
    await lock.waitedFor();
    proxy.cut();
    await lock.release();
    const job = await inState(scratch, id, "succeeded", "failed");
    assert.deepEqual([job.state?.kind.case, job.attempt], ["succeeded", 1]);
  });
});

test("an agent that was killed tells after its start that its job has failed, and may run again", async () => {
  await using scratch = await scratchFleet();
  const { config, tokenFile } = scratch.flags;
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const args = [main, "--config", config, "--token-file", tokenFile];
  const child = spawn(process.execPath, args, { stdio: "ignore" });
  const closed = once(child, "close");
  const lock = await holdLock(scratch);
  const { id } = await enqueue(scratch);
  await inState(scratch, id, "running");
  await lock.waitedFor();
  child.kill("SIGKILL");
  await closed;
  await lock.release();
  await withAgent(scratch, async () => {
    const again = await until("a second attempt", async () => {
      const { job } = await scratch.fleet.client(JobsService, scratch.fleet.admin).getJob({ id });
      return job?.attempt === 2 ? job : undefined;
    });
    assert.equal(again.state?.kind.case, "queued");
  });
});
