import assert from "node:assert/strict";
import { once } from "node:events";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ScratchAuthority,
  makeScratchAuthority,
} from "../../integration/fixtures/fleet-certificates.ts";
import { AgentLinkService } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { DbctlError, exitCodes } from "../errors.ts";
import { type Channel, createClient, openChannel } from "./client.ts";
import { errorFromDetail, errorFromStatus, errorToDetail, errorToStatus } from "./error-status.ts";
import type { Implementation } from "./method-shapes.ts";
import type { CallContext } from "./peer.ts";
import { type RpcServerOptions, addService, createRpcServer } from "./server.ts";

let authority: ScratchAuthority;
before(async () => {
  authority = await makeScratchAuthority();
});

interface Setting {
  jobs?: Partial<Implementation<typeof JobsService, CallContext>>;
  link?: Implementation<typeof AgentLinkService, CallContext>["link"];
  options?: Partial<RpcServerOptions>;
}

const refuse = () => assert.fail("this rpc is not called");

/** A real server on loopback with real TLS, and a client that has a certificate. */
async function serving({ jobs = {}, link = refuse, options = {} }: Setting) {
  await using stack = new AsyncDisposableStack();
  const { ca, certify } = authority;
  const server = createRpcServer({
    tls: { ca: ca.certificate, ...(await certify({ kind: "controller", name: "c" })) },
    identify: async ({ peer }) => {
      const { serialNumber: serial = "" } = peer.certificate ?? {};
      return { kind: "user", name: "ann", role: "admin", serial };
    },
    record: async () => {},
    ...options,
  });
  stack.use(server);
  const names = Object.keys(JobsService.method);
  const all = Object.fromEntries(names.map((name) => [name, refuse]));
  addService(server, JobsService, { ...all, ...jobs } as never);
  addService(server, AgentLinkService, { link });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const own = await certify({ kind: "user", name: "ann" });
  const channel = stack.use(openChannel({ address, tls: { ca: ca.certificate, ...own } }));
  const resources = stack.move();
  const dispose = () => resources.disposeAsync();
  return { server, address, channel, own, ...clientsOf(channel), [Symbol.asyncDispose]: dispose };
}

function clientsOf(channel: Channel) {
  return {
    jobs: createClient(JobsService, channel),
    link: createClient(AgentLinkService, channel).link,
  };
}

const job = (id: string) => ({ job: { id } });
const broken = () =>
  new DbctlError("backup-unknown", "Cannot find “übermorgen”: it is not there", {
    remedy: "Look → elsewhere",
    retryable: true,
  });
const brokenShape = {
  name: "DbctlError",
  code: "backup-unknown",
  message: "Cannot find “übermorgen”: it is not there",
  remedy: "Look → elsewhere",
  retryable: true,
};

test("a unary call goes there and back, and the server knows the caller's certificate", async () => {
  const seen: CallContext[] = [];
  await using it = await serving({
    jobs: {
      getJob: async ({ id }, context) => {
        seen.push(context);
        return job(`${id}!`);
      },
    },
  });
  assert.equal((await it.jobs.getJob({ id: "é" })).job?.id, "é!");
  const { address, identity } = seen[0]?.peer ?? assert.fail("not called");
  assert.match(address, /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(identity, { kind: "user", name: "ann", role: "admin", serial: it.own.serial });
});

test("a server stream ends well, and its error comes after its answers", async () => {
  await using it = await serving({
    jobs: {
      async *watchJobs({ ids }) {
        for (const id of ids) {
          if (id === "bad") throw broken();
          yield job(id);
        }
      },
    },
  });
  const good = await Array.fromAsync(it.jobs.watchJobs({ ids: ["a", "b"] }));
  assert.deepEqual(
    good.map((answer) => answer.job?.id),
    ["a", "b"],
  );
  const seen: unknown[] = [];
  await assert.rejects(async () => {
    for await (const answer of it.jobs.watchJobs({ ids: ["a", "bad"] })) seen.push(answer.job?.id);
  }, brokenShape);
  assert.deepEqual(seen, ["a"]);
});

test("a bidi stream answers each message before the next is sent", async () => {
  await using it = await serving({
    async *link(requests) {
      for await (const { message } of requests)
        if (message.case === "jobEvent")
          yield { message: { case: "eventsTaken", value: { sequence: message.value.sequence } } };
    },
  });
  const turns: string[] = [];
  const answered = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  async function* ask() {
    for (const [n, turn] of answered.entries()) {
      turns.push(`ask ${n}`);
      yield { message: { case: "jobEvent" as const, value: { sequence: BigInt(n) } } };
      await turn.promise;
    }
  }
  for await (const { message } of it.link(ask())) {
    if (message.case !== "eventsTaken") assert.fail(message.case);
    turns.push(`answer ${message.value.sequence}`);
    answered[Number(message.value.sequence)]?.resolve();
  }
  const expected = ["ask 0", "answer 0", "ask 1", "answer 1", "ask 2", "answer 2"];
  assert.deepEqual(turns, expected);
});

test("a bidi stream fails with the error of the side that broke it", async () => {
  const ended = Promise.withResolvers<unknown>();
  await using it = await serving({
    async *link(requests, { signal }) {
      signal.addEventListener("abort", () => ended.resolve(signal.reason));
      for await (const { message } of requests) if (message.case === "heartbeat") throw broken();
      yield* [];
    },
  });
  async function* beat() {
    yield { message: { case: "heartbeat" as const, value: {} } };
    await sleep(60_000, undefined, { ref: false });
  }
  await assert.rejects(Array.fromAsync(it.link(beat())), brokenShape);
  async function* fail() {
    yield { message: { case: "hello" as const, value: {} } };
    throw new Error("the journal is gone");
  }
  await assert.rejects(Array.fromAsync(it.link(fail())), /the journal is gone/);
  assert.equal(DbctlError.from(await ended.promise).code, "interrupted");
});

test("an error of ours arrives whole; any other is told as a bug", async () => {
  await using it = await serving({
    jobs: {
      getJob: ({ id }) => Promise.reject(id === "ours" ? broken() : new TypeError("x of null")),
    },
  });
  await assert.rejects(it.jobs.getJob({ id: "ours" }), brokenShape);
  await assert.rejects(it.jobs.getJob({ id: "bug" }), {
    code: "internal-bug",
    message: /x of null/,
  });
});

test("cancelling aborts the server's signal and rejects with the client's reason", async () => {
  const reason = broken();
  for (const kind of ["unary", "stream", "return"]) {
    const begun = Promise.withResolvers<AbortSignal>();
    const wait = async (signal: AbortSignal) => {
      begun.resolve(signal);
      if (!signal.aborted) await once(signal, "abort");
      throw signal.reason;
    };
    await using it = await serving({
      jobs: {
        getJob: (_, { signal }) => wait(signal),
        async *watchJobs(_, { signal }) {
          yield job("a");
          await wait(signal);
        },
      },
    });
    const stop = new AbortController();
    const options = { signal: stop.signal };
    const stream = it.jobs.watchJobs({}, options)[Symbol.asyncIterator]();
    const call = kind === "unary" ? it.jobs.getJob({}, options) : stream.next();
    if (kind !== "unary") await call;
    const next = kind === "stream" ? stream.next() : call;
    const signal = await begun.promise;
    if (kind === "return") await stream.return?.();
    else stop.abort(reason);
    if (kind !== "return") await assert.rejects(next, (error) => error === reason);
    if (!signal.aborted) await once(signal, "abort");
    assert.equal((signal.reason as DbctlError).code, "interrupted");
  }
});

test("a deadline ends the call on both sides", async () => {
  const signals: AbortSignal[] = [];
  await using it = await serving({
    jobs: {
      getJob: async (_, { signal }) => {
        signals.push(signal);
        if (!signal.aborted) await once(signal, "abort");
        throw signal.reason;
      },
    },
  });
  await assert.rejects(it.jobs.getJob({}, { deadlineMs: 100 }), {
    code: "timed-out",
    retryable: true,
  });
  const [signal = assert.fail("not called")] = signals;
  if (!signal.aborted) await once(signal, "abort");
});

test("identify() sees no certificate that is missing, foreign, expired or of an agent's server", async () => {
  const foreign = await makeScratchAuthority();
  const seen: boolean[] = [];
  await using it = await serving({
    jobs: { getJob: async () => job("x") },
    options: {
      identify: async ({ peer }) => {
        seen.push(peer.certificate !== undefined);
        return { kind: "none" };
      },
    },
  });
  const own = [
    {},
    await foreign.certify({ kind: "user", name: "ann" }),
    await authority.certify({ kind: "user", name: "ann", endsAt: new Date(Date.now() - 1000) }),
    await authority.certify({ kind: "controller", name: "ann" }),
    await authority.certify({ kind: "user", name: "ann" }),
  ];
  for (const tls of own) {
    using channel = openChannel({ ...it, tls: { ca: authority.ca.certificate, ...tls } });
    await createClient(JobsService, channel).getJob({});
  }
  assert.deepEqual(seen, [false, false, false, false, true]);
});

test("a client refuses a server that another CA signed, or that is no controller", async () => {
  const other = await makeScratchAuthority();
  await using it = await serving({ jobs: { getJob: refuse } });
  using channel = openChannel({ ...it, tls: { ca: other.ca.certificate } });
  const refused = { code: "controller-unreachable" };
  await assert.rejects(createClient(JobsService, channel).getJob({}), refused);
  const agent = await authority.certify({ kind: "agent", name: "evil" });
  await using fake = await serving({
    options: { tls: { ca: authority.ca.certificate, ...agent } },
  });
  await assert.rejects(fake.jobs.getJob({}), refused);
});

test("a call that is refused or cannot be recorded is not answered, and its code not run", async () => {
  const denied = { code: "access-denied" };
  const deny = async () => {
    throw new DbctlError("access-denied", "Cannot call: no", { remedy: "Ask" });
  };
  await using refusing = await serving({ options: { identify: deny } });
  await assert.rejects(refusing.jobs.getJob({}), denied);
  await assert.rejects(Array.fromAsync(refusing.jobs.watchJobs({})), denied);
  await using unrecorded = await serving({
    jobs: { getJob: async () => job("x") },
    options: { record: deny },
  });
  await assert.rejects(unrecorded.jobs.getJob({}), denied);
  await assert.rejects(Array.fromAsync(unrecorded.jobs.watchJobs({})), denied);
});

test("OpenCalls.endWhere() ends the calls of whom it names, with its reason", async () => {
  const running = Promise.withResolvers<void>();
  await using it = await serving({
    jobs: {
      async *watchJobs(_, { signal }) {
        running.resolve();
        yield job("a");
        await once(signal, "abort");
      },
    },
  });
  const call = Array.fromAsync(it.jobs.watchJobs({}));
  await running.promise;
  it.server.calls.endWhere((identity) => identity.kind === "agent", new Error("not these"));
  it.server.calls.endWhere((identity) => identity.kind === "user", broken());
  await assert.rejects(call, brokenShape);
});

test("a server that is disposed tells its open calls to come again", async () => {
  const it = await serving({
    jobs: {
      async *watchJobs(_, { signal }) {
        yield job("a");
        await once(signal, "abort");
      },
    },
  });
  const stream = it.jobs.watchJobs({})[Symbol.asyncIterator]();
  await stream.next();
  const next = stream.next();
  const closing = it.server[Symbol.asyncDispose]();
  await assert.rejects(Promise.resolve(next), { code: "controller-unreachable", retryable: true });
  await closing;
  it.channel[Symbol.dispose]();
});

test("a server that nobody listens as is told as unreachable", async () => {
  using channel = openChannel({ address: "127.0.0.1:1", tls: { ca: authority.ca.certificate } });
  const call = createClient(JobsService, channel).getJob({}, { deadlineMs: 10_000 });
  await assert.rejects(call, { code: "controller-unreachable", retryable: true });
});

test("every code goes over the wire and comes back as itself", () => {
  for (const code of Object.keys(exitCodes) as (keyof typeof exitCodes)[]) {
    const error = new DbctlError(code, `Cannot ${code}: so`, { remedy: "r" });
    assert.deepEqual(errorFromDetail(errorToDetail(error)), error);
    const status = Object.assign(new Error("x"), errorToStatus(error));
    const back = errorFromStatus(status, { call: "X", address: "y" });
    assert.deepEqual([back.code, back.message, back.remedy], [code, error.message, "r"]);
  }
  const newer = errorToDetail(broken());
  assert.equal(errorFromDetail({ ...newer, code: "from-the-future" }).code, "failed");
});
