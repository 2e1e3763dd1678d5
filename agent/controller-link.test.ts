import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { makeScratchFolder } from "../integration/fixtures/scratch-folder.ts";
import {
  InstanceSchema,
  type LinkRequestSchema,
  type LinkResponse,
  LinkResponseSchema,
  type RunJob,
  type StopJob,
} from "../proto/gen/dbctl/v1/agent_link_pb.ts";
import { JobResultSchema } from "../proto/gen/dbctl/v1/jobs_pb.ts";
import { holdLink, type LinkParts } from "./controller-link.ts";
import { Journal } from "./journal/journal.ts";

type Request = MessageInitShape<typeof LinkRequestSchema>;
type Saying = MessageInitShape<typeof LinkResponseSchema>["message"];

const now = () => new Date("2026-11-20T10:00:00.000Z");
const result = create(JobResultSchema, { kind: { case: "backup", value: { backupId: "b1" } } });

/** The controller's end of one link: says what a test wants, keeps what it hears. */
class FakeController {
  readonly heard: Request["message"][] = [];
  readonly #says: LinkResponse[] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;

  say(message: Saying): void {
    this.#says.push(create(LinkResponseSchema, { message: message ?? { case: undefined } }));
    this.#wake.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  open = async function* (
    this: FakeController,
    requests: AsyncIterable<Request>,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<LinkResponse> {
    const listening = this.#listen(requests);
    listening.catch(() => this.end());
    signal.addEventListener("abort", () => this.end());
    for (;;) {
      const next = this.#says.shift();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (this.#ended) break;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
    if (signal.aborted) throw signal.reason;
  }.bind(this);

  async #listen(requests: AsyncIterable<Request>): Promise<void> {
    for await (const { message } of requests) this.heard.push(message);
  }

  kinds(): string[] {
    return this.heard.map((message) => String(message?.case));
  }

  async until(enough: (kinds: string[]) => boolean): Promise<void> {
    for (let n = 0; !enough(this.kinds()); n++) {
      assert.ok(n < 300, `heard only ${this.kinds().join(", ")}`);
      await sleep(10);
    }
  }
}

async function scratchLink() {
  const folder = await makeScratchFolder("link");
  const journal = new Journal(join(folder.path, "journal.sqlite"), { now });
  const offers: RunJob[] = [];
  const stops: StopJob[] = [];
  const runner = {
    offer: (job: RunJob) => void offers.push(job),
    stop: (job: StopJob) => void stops.push(job),
  };
  let instances = [create(InstanceSchema, { name: "main" })];
  const link = (controller: FakeController, signal: AbortSignal) => {
    const parts: LinkParts = {
      open: controller.open,
      version: "1",
      recipient: "age1x",
      journal,
      runner,
      instances: () => instances,
      now,
    };
    return holdLink(parts, { signal });
  };
  const see = (...names: string[]) =>
    (instances = names.map((name) => create(InstanceSchema, { name })));
  const dispose = async () => {
    journal[Symbol.dispose]();
    await folder[Symbol.asyncDispose]();
  };
  return { journal, offers, stops, link, see, [Symbol.asyncDispose]: dispose };
}

const welcome = (lastSequence = 0n): Saying => ({
  case: "welcome",
  value: { agentId: "a1", heartbeatSeconds: 1, lastSequence },
});

test("holdLink() greets first, and tells events only after the welcome", async () => {
  await using scratch = await scratchLink();
  scratch.journal.accept({ jobId: "j1", kind: "backup", fencingToken: 4n });
  const controller = new FakeController();
  const stop = new AbortController();
  const holding = scratch.link(controller, stop.signal);
  await sleep(50);
  assert.deepEqual(controller.kinds(), ["hello"]);
  const hello = controller.heard[0];
  assert.ok(hello?.case === "hello");
  assert.deepEqual(
    hello.value.jobs?.map(({ jobId, fencingToken }) => [jobId, fencingToken]),
    [["j1", 4n]],
  );
  assert.deepEqual(
    hello.value.instances?.map(({ name }) => name),
    ["main"],
  );
  controller.say(welcome());
  await controller.until((kinds) => kinds.includes("heartbeat"));
  assert.deepEqual(controller.kinds(), ["hello", "jobEvent", "heartbeat"]);
  stop.abort(new Error("enough"));
  await assert.rejects(holding, /enough/);
});

test("holdLink() tells events as they happen, and forgets them when they were taken", async () => {
  await using scratch = await scratchLink();
  const { journal } = scratch;
  const controller = new FakeController();
  const stop = new AbortController();
  const holding = scratch.link(controller, stop.signal);
  controller.say(welcome());
  await controller.until((kinds) => kinds.includes("heartbeat"));
  journal.accept({ jobId: "j1", kind: "backup", fencingToken: 1n });
  journal.append("j1", { case: "succeeded", value: result });
  await controller.until((kinds) => kinds.filter((kind) => kind === "jobEvent").length === 2);
  controller.say({ case: "eventsTaken", value: { sequence: 2n } });
  for (let n = 0; journal.eventsAfter(0n).length > 0; n++) {
    assert.ok(n < 100, "events stay");
    await sleep(10);
  }
  stop.abort(new Error("enough"));
  await assert.rejects(holding, /enough/);
});

test("holdLink() passes commands on, and resolves when a good link is cut", async () => {
  await using scratch = await scratchLink();
  const controller = new FakeController();
  const stop = new AbortController();
  const holding = scratch.link(controller, stop.signal);
  controller.say(welcome());
  controller.say({ case: "runJob", value: { jobId: "j1", fencingToken: 1n } });
  controller.say({ case: "stopJob", value: { jobId: "j1", fencingToken: 1n } });
  controller.end();
  await holding;
  assert.deepEqual(
    [...scratch.offers, ...scratch.stops].map(({ jobId }) => jobId),
    ["j1", "j1"],
  );
});

test("after a cut, the next link tells what the controller does not have, in order", async () => {
  await using scratch = await scratchLink();
  const { journal } = scratch;
  const stop = new AbortController();
  const first = new FakeController();
  const holding = scratch.link(first, stop.signal);
  first.say(welcome());
  journal.accept({ jobId: "j1", kind: "backup", fencingToken: 1n });
  await first.until((kinds) => kinds.includes("jobEvent"));
  first.end();
  await holding;
  journal.append("j1", { case: "succeeded", value: result });
  const second = new FakeController();
  const again = scratch.link(second, stop.signal);
  // The first event arrived, but its acknowledgement did not.
  second.say(welcome(1n));
  await second.until((kinds) => kinds.includes("jobEvent"));
  const told = second.heard.flatMap((one) => (one?.case === "jobEvent" ? [one.value] : []));
  assert.deepEqual(
    told.map(({ sequence, event }) => [sequence, event?.case]),
    [[2n, "succeeded"]],
  );
  stop.abort(new Error("enough"));
  await assert.rejects(again, /enough/);
});

test("heartbeats bring the instances only when they have changed", async () => {
  await using scratch = await scratchLink();
  const controller = new FakeController();
  const stop = new AbortController();
  const holding = scratch.link(controller, stop.signal);
  controller.say(welcome());
  const beats = () =>
    controller.heard.flatMap((one) => (one?.case === "heartbeat" ? [one.value.instances] : []));
  await controller.until(() => beats().length === 1);
  scratch.see("main", "second");
  await controller.until(() => beats().length === 3);
  assert.deepEqual(
    beats().map((seen) => seen?.length),
    [0, 2, 0],
  );
  stop.abort(new Error("enough"));
  await assert.rejects(holding, /enough/);
});

test("holdLink() refuses commands that come before the welcome", async () => {
  await using scratch = await scratchLink();
  const controller = new FakeController();
  controller.say({ case: "runJob", value: { jobId: "j1", fencingToken: 1n } });
  const holding = scratch.link(controller, new AbortController().signal);
  await assert.rejects(holding, { code: "protocol-violated" });
  assert.deepEqual(scratch.offers, []);
});

test("holdLink() rejects when the controller ends the link without a welcome", async () => {
  await using scratch = await scratchLink();
  const controller = new FakeController();
  controller.end();
  const holding = scratch.link(controller, new AbortController().signal);
  await assert.rejects(holding, { code: "controller-unreachable" });
});
