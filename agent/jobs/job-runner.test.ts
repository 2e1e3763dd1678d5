import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { DbctlError } from "../../core/errors.ts";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { RunJobSchema, StopJobSchema } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { Journal } from "../journal/journal.ts";
import { JobRunner } from "./job-runner.ts";
import type { JobUpdate } from "./job-update.ts";

const now = () => new Date("2026-11-20T10:00:00.000Z");
const runJob = (jobId: string, fencingToken = 1n) =>
  create(RunJobSchema, {
    jobId,
    fencingToken,
    spec: { kind: { case: "backup", value: { database: "shop" } } },
  });
const stopJob = (jobId: string) => create(StopJobSchema, { jobId, fencingToken: 1n });
const finished: JobUpdate = {
  kind: "finished",
  result: { kind: { case: "backup", value: { backupId: "b1" } } },
};
const progress = (bytes: bigint): JobUpdate => ({
  kind: "progress",
  progress: { phase: "reading", bytesDone: bytes, bytesTotal: 10n },
});

async function scratchRunner(
  run: (signal: AbortSignal) => AsyncIterable<JobUpdate>,
  clock?: () => number,
) {
  const folder = await makeScratchFolder("runner");
  const path = join(folder.path, "journal.sqlite");
  const journal = new Journal(path, { now });
  const parts = {
    journal,
    run: (_: unknown, options: { signal: AbortSignal }) => run(options.signal),
  };
  const runner = new JobRunner(clock === undefined ? parts : { ...parts, clock });
  const told = () =>
    journal.eventsAfter(0n).map(({ jobId, event }) => `${jobId} ${String(event.case)}`);
  const dispose = async () => {
    journal[Symbol.dispose]();
    await folder[Symbol.asyncDispose]();
  };
  return { journal, path, runner, told, [Symbol.asyncDispose]: dispose };
}

async function* untilAborted(signal: AbortSignal): AsyncGenerator<JobUpdate> {
  yield progress(1n);
  await sleep(60_000, undefined, { signal });
}

test("JobRunner runs a job that is sent twice once, and writes its result down", async () => {
  let runs = 0;
  await using scratch = await scratchRunner(async function* () {
    runs++;
    yield finished;
  });
  scratch.runner.offer(runJob("a"));
  scratch.runner.offer(runJob("a"));
  await scratch.runner.drain({ limitMs: 1000 });
  assert.equal(runs, 1);
  assert.deepEqual(scratch.told(), ["a started", "a succeeded"]);
});

test("JobRunner tells progress at most once a second", async () => {
  let at = 0;
  await using scratch = await scratchRunner(
    async function* () {
      for (let n = 0; n < 100; n++, at += 50) yield progress(BigInt(n));
      yield finished;
    },
    () => at,
  );
  let appended = 0;
  const append = scratch.journal.append.bind(scratch.journal);
  scratch.journal.append = (...args) => {
    appended++;
    append(...args);
  };
  scratch.runner.offer(runJob("a"));
  await scratch.runner.drain({ limitMs: 1000 });
  assert.equal(appended, 5 + 1);
});

test("stop() ends a job as cancelled, soon; a job that was never seen as well", async () => {
  await using scratch = await scratchRunner(untilAborted);
  scratch.runner.offer(runJob("a"));
  await sleep(10);
  const startedAt = performance.now();
  scratch.runner.stop(stopJob("a"));
  scratch.runner.stop(stopJob("b"));
  await scratch.runner.drain({ limitMs: 10_000 });
  assert.ok(performance.now() - startedAt < 1000);
  assert.deepEqual(
    scratch
      .told()
      .filter((line) => line.endsWith("cancelled"))
      .toSorted(),
    ["a cancelled", "b cancelled"],
  );
});

test("stop() of an older dispatch does not end the newer one", async () => {
  await using scratch = await scratchRunner(untilAborted);
  scratch.runner.offer(runJob("a", 2n));
  await sleep(10);
  scratch.runner.stop(stopJob("a"));
  await sleep(10);
  assert.equal(scratch.journal.running().length, 1);
  scratch.runner.offer(runJob("a", 1n));
  await scratch.runner.drain({ limitMs: 1 });
  assert.deepEqual(scratch.told().at(-1), "a failed");
});

test("stop() of a job that has ended changes nothing", async () => {
  await using scratch = await scratchRunner(async function* () {
    yield finished;
  });
  scratch.runner.offer(runJob("a"));
  await scratch.runner.drain({ limitMs: 1000 });
  scratch.runner.stop(stopJob("a"));
  assert.deepEqual(scratch.told(), ["a started", "a succeeded"]);
});

test("a job that fails is told with code, remedy and whether to try again", async () => {
  await using scratch = await scratchRunner(async function* () {
    yield progress(1n);
    throw new DbctlError("engine-unreachable", "Cannot reach it: it is down", {
      remedy: "Start it",
      retryable: true,
    });
  });
  scratch.runner.offer(runJob("a"));
  await scratch.runner.drain({ limitMs: 1000 });
  const event = scratch.journal.eventsAfter(0n).at(-1)?.event;
  assert.ok(event?.case === "failed");
  const { code, message, remedy, retryable } = event.value;
  assert.deepEqual([code, remedy, retryable], ["engine-unreachable", "Start it", true]);
  assert.match(message, /it is down/);
});

test("a cancelled restore that cannot clean up has failed, with both reasons", async () => {
  await using scratch = await scratchRunner(async function* (signal) {
    try {
      yield* untilAborted(signal);
    } catch (error) {
      throw new AggregateError([error, new Error("drop refused")], "Cannot undo");
    }
  });
  scratch.runner.offer(runJob("a"));
  await sleep(10);
  scratch.runner.stop(stopJob("a"));
  await scratch.runner.drain({ limitMs: 10_000 });
  const event = scratch.journal.eventsAfter(0n).at(-1)?.event;
  assert.ok(event?.case === "failed");
  assert.match(event.value.message, /drop refused/);
});

test("a cancelled job that says what it has left behind has failed", async () => {
  await using scratch = await scratchRunner(async function* (signal) {
    try {
      yield* untilAborted(signal);
    } catch {
      const cause: unknown = signal.reason;
      const remedy = "Go on with it, or drop it";
      throw new DbctlError("interrupted", "Cannot go on: cancelled", { remedy, cause });
    }
  });
  scratch.runner.offer(runJob("a"));
  await sleep(10);
  scratch.runner.stop(stopJob("a"));
  await scratch.runner.drain({ limitMs: 10_000 });
  const event = scratch.journal.eventsAfter(0n).at(-1)?.event;
  assert.ok(event?.case === "failed");
  assert.equal(event.value.remedy, "Go on with it, or drop it");
});

test("drain() lets jobs end, ends those that take too long, and takes no new ones", async () => {
  await using scratch = await scratchRunner(untilAborted);
  scratch.runner.offer(runJob("a"));
  const draining = scratch.runner.drain({ limitMs: 50 });
  scratch.runner.offer(runJob("b"));
  await draining;
  const [last, ...more] = scratch.journal.eventsAfter(0n).toReversed();
  assert.ok(last?.event.case === "failed" && last.event.value.retryable);
  assert.ok([last, ...more].every(({ jobId }) => jobId === "a"));
});

test("failInterrupted() tells of the jobs that ran when the process ended", async () => {
  await using scratch = await scratchRunner(untilAborted);
  scratch.journal.accept({ jobId: "a", kind: "backup", fencingToken: 1n });
  scratch.journal.accept({ jobId: "b", kind: "restore", fencingToken: 1n });
  scratch.runner.failInterrupted();
  const failures = scratch.journal
    .eventsAfter(0n)
    .flatMap(({ event }) => (event.case === "failed" ? [event.value] : []));
  assert.deepEqual(
    failures.map(({ retryable }) => retryable),
    [true, true],
  );
  assert.match(failures[1]?.remedy ?? "", /it goes on where it was/);
  assert.deepEqual(scratch.journal.running(), []);
});
