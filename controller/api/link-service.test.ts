import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallContext, Identity } from "../../core/grpc/peer.ts";
import { LinkRequestSchema } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import type { LinkRequest, LinkResponse } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { cancelJob } from "../jobs/cancel-job.ts";
import { enqueueBackups } from "../jobs/enqueue-backups.ts";
import type { JobRecord } from "../jobs/job-record.ts";
import { failLostJobs, requeueLostJobs } from "../jobs/fail-lost-jobs.ts";
import { requireJob } from "../jobs/insert-job.ts";
import { backedUp, openScratchFleet } from "../jobs/scratch-fleet.ts";
import type { EventInit, ScratchFleet } from "../jobs/scratch-fleet.ts";
import { createLinkService } from "./link-service.ts";
import { Mailbox } from "./mailbox.ts";

type Words = MessageInitShape<typeof LinkRequestSchema>["message"] & { case: string };

/** The agent's end of a link, without a socket. */
function dial(fleet: ScratchFleet, identity?: Identity) {
  const up = new Mailbox<LinkRequest>();
  const hangUp = new AbortController();
  const agent = { kind: "agent", id: "db1", name: "db1", serial: "1" } as const;
  const peer = { address: "10.0.0.1:5", identity: identity ?? agent };
  const context: CallContext = { signal: hangUp.signal, peer };
  const service = createLinkService({ db: fleet.db, now: fleet.now, pollMs: 5 });
  const replies = service.link(up, context)[Symbol.asyncIterator]();
  const hear = async () => (await replies.next()).value as LinkResponse | undefined;
  return {
    hangUp,
    say: (message: Words) => up.put(create(LinkRequestSchema, { message })),
    end: () => up.end(),
    hear,
    /** The next message, which must be of this kind. */
    expect: async <C extends "welcome" | "runJob" | "stopJob" | "eventsTaken">(kind: C) => {
      const heard = await hear();
      assert.equal(heard?.message.case, kind);
      return heard?.message.value as Extract<LinkResponse["message"], { case: C }>["value"];
    },
    async [Symbol.asyncDispose]() {
      hangUp.abort(new Error("over"));
      await replies.next().catch(() => {});
      await replies.return?.();
    },
  };
}

async function enqueue(fleet: ScratchFleet): Promise<JobRecord> {
  const request = { allowMissing: false, freshEpoch: false, requestedBy: "ann" };
  const selection = { case: "all" } as const;
  const [job] = await enqueueBackups(fleet.db, { ...request, selection }, fleet.now());
  assert.ok(job !== undefined);
  return job;
}

const beat: Words = { case: "heartbeat", value: {} };
const hello: Words = { case: "hello", value: { version: "1", recipient: "age1x" } };

function event(
  run: { jobId: string; fencingToken: bigint },
  sequence: bigint,
  what: EventInit,
): Words {
  const { jobId, fencingToken } = run;
  const value = { jobId, fencingToken, sequence, ...(what === undefined ? {} : { event: what }) };
  return { case: "jobEvent", value };
}

test("link() greets, gives a job, takes its events and stops another", async () => {
  await using fleet = await openScratchFleet();
  await using link = dial(fleet);
  link.say(hello);
  link.say(beat);
  const welcome = await link.expect("welcome");
  assert.deepEqual(
    [welcome.agentId, welcome.lastSequence, welcome.heartbeatSeconds],
    ["db1", 0n, 10],
  );
  const job = await enqueue(fleet);
  const run = await link.expect("runJob");
  assert.equal(run.jobId, job.job.id);
  assert.equal(run.spec?.kind.case, "backup");
  link.say(event(run, 1n, { case: "started", value: {} }));
  assert.equal((await link.expect("eventsTaken")).sequence, 1n);
  link.say(event(run, 2n, backedUp("b1")));
  assert.equal((await link.expect("eventsTaken")).sequence, 2n);
  assert.equal(await fleet.state(job), "succeeded");
  const other = await enqueue(fleet);
  const second = await link.expect("runJob");
  await cancelJob(fleet.db, { id: other.job.id, by: "ann" }, fleet.now());
  assert.equal((await link.expect("stopJob")).fencingToken, second.fencingToken);
  link.end();
  assert.equal(await link.hear(), undefined);
});

test("link() sends a job again whose command was lost, and not one that the agent has", async () => {
  await using fleet = await openScratchFleet();
  const job = await enqueue(fleet);
  await using first = dial(fleet);
  first.say(hello);
  first.say(beat);
  await first.expect("welcome");
  const run = await first.expect("runJob");
  await using second = dial(fleet);
  second.say(hello);
  await second.expect("welcome");
  assert.deepEqual(await second.expect("runJob"), run);
  await using third = dial(fleet);
  const jobs = [{ jobId: run.jobId, fencingToken: run.fencingToken }];
  third.say({ case: "hello", value: { version: "1", jobs } });
  await third.expect("welcome");
  third.say(event(run, 1n, { case: "started", value: {} }));
  await third.expect("eventsTaken");
  assert.equal(await fleet.state(job), "running");
});

test("link() renews leases by heartbeats, and tells what the agent need not send again", async () => {
  await using fleet = await openScratchFleet();
  const job = await enqueue(fleet);
  await using link = dial(fleet);
  link.say(hello);
  link.say(beat);
  await link.expect("welcome");
  const { jobId, fencingToken } = await link.expect("runJob");
  fleet.pass(20);
  link.say({ case: "heartbeat", value: { jobs: [{ jobId, fencingToken }] } });
  link.say(event({ jobId, fencingToken }, 7n, { case: "started", value: {} }));
  await link.expect("eventsTaken");
  const { job: shown } = await requireJob(fleet.db, job.job.id);
  assert.equal(shown.state?.kind.case, "running");
  const row = await fleet.db.one("select lease_until from jobs");
  assert.equal(row?.["lease_until"], new Date(fleet.now().getTime() + 60_000).toISOString());
  await using again = dial(fleet);
  again.say(hello);
  assert.equal((await again.expect("welcome")).lastSequence, 7n);
});

test("link() answers events of an old dispatch, so that the agent may forget them", async () => {
  await using fleet = await openScratchFleet();
  await enqueue(fleet);
  await using link = dial(fleet);
  link.say(hello);
  link.say(beat);
  await link.expect("welcome");
  const run = await link.expect("runJob");
  link.say(event({ ...run, fencingToken: 9n }, 1n, { case: "started", value: {} }));
  assert.equal((await link.expect("eventsTaken")).sequence, 1n);
  link.say(event({ jobId: "nobody", fencingToken: 1n }, 2n, backedUp("b1")));
  assert.equal((await link.expect("eventsTaken")).sequence, 2n);
  assert.deepEqual(await fleet.db.all("select 1 from backups"), []);
});

test("link() gives no new job to an agent that has gone silent", async () => {
  await using fleet = await openScratchFleet();
  await using link = dial(fleet);
  link.say(hello);
  link.say(beat);
  link.say(event({ jobId: "nobody", fencingToken: 1n }, 1n, { case: "started", value: {} }));
  await link.expect("welcome");
  await link.expect("eventsTaken");
  fleet.pass(31);
  const job = await enqueue(fleet);
  await new Promise((wake) => setTimeout(wake, 50));
  assert.equal(await fleet.state(job), "queued");
  link.say({ case: "heartbeat", value: {} });
  await link.expect("runJob");
});

const outOfTurn: [title: string, words: Words[]][] = [
  ["a heartbeat before its hello", [{ case: "heartbeat", value: {} }]],
  ["a second hello", [hello, hello]],
];
for (const [title, words] of outOfTurn)
  test(`link() ends when the agent sends ${title}`, async () => {
    await using fleet = await openScratchFleet();
    await using link = dial(fleet);
    for (const word of words) link.say(word);
    if (words.length > 1) await link.expect("welcome");
    await assert.rejects(link.hear(), { code: "protocol-violated" });
  });

test("link() refuses who is no agent, and ends a link whose agent was revoked", async () => {
  await using fleet = await openScratchFleet();
  await using person = dial(fleet, { kind: "user", name: "ann", role: "admin", serial: "2" });
  await assert.rejects(person.hear(), { code: "access-denied" });
  await using link = dial(fleet);
  link.say(hello);
  await link.expect("welcome");
  await fleet.db.run("update agents set revoked_at = 'x'");
  link.say({ case: "heartbeat", value: {} });
  await assert.rejects(link.hear(), { code: "identity-wrong" });
});

test("link() lets a journal be told before it gives work: what is done is not done again", async () => {
  await using fleet = await openScratchFleet();
  const job = await enqueue(fleet);
  await using first = dial(fleet);
  first.say(hello);
  first.say(beat);
  await first.expect("welcome");
  const run = await first.expect("runJob");
  first.hangUp.abort(new Error("cut"));
  await failLostJobs(fleet.db, fleet.pass(61));
  assert.equal(await requeueLostJobs(fleet.db, fleet.pass(300)), 1);
  await using second = dial(fleet);
  second.say(hello);
  await second.expect("welcome");
  await new Promise((wake) => setTimeout(wake, 30));
  second.say(event(run, 1n, backedUp("b1")));
  second.say(beat);
  await second.expect("eventsTaken");
  assert.equal(await fleet.state(job), "succeeded");
});

test("link() lets a long backup go on whose agent was away past every back-off", async () => {
  await using fleet = await openScratchFleet();
  const job = await enqueue(fleet);
  await using first = dial(fleet);
  first.say(hello);
  first.say(beat);
  await first.expect("welcome");
  const run = await first.expect("runJob");
  first.hangUp.abort(new Error("cut"));
  await failLostJobs(fleet.db, fleet.pass(61));
  await requeueLostJobs(fleet.db, fleet.pass(300));
  await using second = dial(fleet);
  const jobs = [{ jobId: run.jobId, fencingToken: run.fencingToken }];
  second.say({ case: "hello", value: { version: "1", jobs } });
  second.say({ case: "heartbeat", value: { jobs } });
  await second.expect("welcome");
  second.say(event(run, 1n, { case: "started", value: {} }));
  await second.expect("eventsTaken");
  const { job: shown } = await requireJob(fleet.db, job.job.id);
  assert.deepEqual([shown.state?.kind.case, shown.attempt], ["running", 1]);
  await failLostJobs(fleet.db, fleet.pass(61));
  await requeueLostJobs(fleet.db, fleet.pass(300));
  await cancelJob(fleet.db, { id: job.job.id, by: "ann" }, fleet.now());
  second.say({ case: "heartbeat", value: { jobs } });
  assert.equal((await second.expect("stopJob")).jobId, run.jobId);
});

test("link() ends at once with its call, and claims nothing more", async () => {
  await using fleet = await openScratchFleet();
  await using link = dial(fleet);
  link.say(hello);
  link.say(beat);
  await link.expect("welcome");
  const heard = link.hear();
  link.hangUp.abort(new Error("the host is gone"));
  await assert.rejects(heard, /the host is gone/);
  const job = await enqueue(fleet);
  await new Promise((wake) => setTimeout(wake, 30));
  assert.equal(await fleet.state(job), "queued");
});
