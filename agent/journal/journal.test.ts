import assert from "node:assert/strict";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import type { JobEvent } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { JobEvent_StoppedSchema } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { ErrorDetailSchema } from "../../proto/gen/dbctl/v1/errors_pb.ts";
import { JobProgressSchema, JobResultSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { type Happening, Journal } from "./journal.ts";

const now = () => new Date("2026-11-20T10:00:00.000Z");
const progress = (done: number): Happening => ({
  case: "progress",
  value: create(JobProgressSchema, { phase: "x", bytesDone: BigInt(done) }),
});
const succeeded = (backupId = "b1"): Happening => ({
  case: "succeeded",
  value: create(JobResultSchema, { kind: { case: "backup", value: { backupId } } }),
});
const failed: Happening = { case: "failed", value: create(ErrorDetailSchema, { code: "failed" }) };
const cancelled: Happening = { case: "cancelled", value: create(JobEvent_StoppedSchema) };
const offer = (jobId: string, token = 1) => ({
  jobId,
  kind: "backup",
  fencingToken: BigInt(token),
});
const show = (events: JobEvent[]) =>
  events.map(({ sequence, jobId, event, fencingToken }) =>
    [sequence, jobId, event.case, fencingToken].join(" "),
  );

async function scratchJournal() {
  const folder = await makeScratchFolder("journal");
  const path = join(folder.path, "journal.sqlite");
  return { folder, path, journal: new Journal(path, { now }) };
}

test("a Journal keeps every event with numbers that have no gap, over restarts", async () => {
  const { folder, path, journal: first } = await scratchJournal();
  await using _ = folder;
  assert.equal(first.accept(offer("a")), "run");
  first.append("a", succeeded());
  first.forget(2n);
  first[Symbol.dispose]();
  using second = new Journal(path, { now });
  assert.equal(second.accept(offer("b")), "run");
  assert.deepEqual(show(second.eventsAfter(0n)), ["3 b started 1"]);
});

test("accept() runs a job once, and tells a result again to who asks again", async () => {
  const { folder, journal } = await scratchJournal();
  await using _ = folder;
  using __ = journal;
  assert.equal(journal.accept(offer("a")), "run");
  assert.equal(journal.accept(offer("a")), "known");
  journal.append("a", succeeded());
  journal.forget(2n);
  assert.equal(journal.accept(offer("a")), "known");
  assert.equal(journal.accept(offer("a", 2)), "known");
  assert.deepEqual(show(journal.eventsAfter(0n)), ["3 a succeeded 1", "4 a succeeded 2"]);
});

test("accept() runs a failed or cancelled job again under a higher token only", async () => {
  const { folder, journal } = await scratchJournal();
  await using _ = folder;
  using __ = journal;
  for (const [jobId, end] of [
    ["a", failed],
    ["b", cancelled],
  ] as const) {
    assert.equal(journal.accept(offer(jobId, 5)), "run");
    journal.append(jobId, end);
    assert.equal(journal.accept(offer(jobId, 5)), "known");
    assert.equal(journal.accept(offer(jobId, 4)), "known");
    assert.equal(journal.accept(offer(jobId, 6)), "run");
  }
});

test("a running job takes over a higher token, and its events carry it", async () => {
  const { folder, journal } = await scratchJournal();
  await using _ = folder;
  using __ = journal;
  journal.accept(offer("a", 1));
  assert.equal(journal.accept(offer("a", 7)), "known");
  assert.equal(journal.accept(offer("a", 3)), "known");
  journal.append("a", succeeded());
  const events = ["1 a started 1", "2 a started 7", "3 a succeeded 7"];
  assert.deepEqual(show(journal.eventsAfter(0n)), events);
});

test("only the newest progress of a job waits, unless it was handed out already", async () => {
  const { folder, journal } = await scratchJournal();
  await using _ = folder;
  using __ = journal;
  journal.accept(offer("a"));
  for (let n = 0; n < 100; n++) journal.append("a", progress(n));
  const events = journal.eventsAfter(0n);
  assert.deepEqual(show(events), ["1 a started 1", "2 a progress 1"]);
  const newest = events.at(-1)?.event;
  assert.equal(newest?.case === "progress" && newest.value.bytesDone, 99n);
  journal.append("a", progress(100));
  assert.deepEqual(show(journal.eventsAfter(2n)), ["3 a progress 1"]);
});

test("agree() forgets what the controller has, and a journal that was lost counts on", async () => {
  const { folder, journal } = await scratchJournal();
  await using _ = folder;
  using __ = journal;
  for (const jobId of ["a", "b", "c"]) journal.accept(offer(jobId));
  journal.agree(1n);
  assert.deepEqual(show(journal.eventsAfter(1n)), ["2 b started 1", "3 c started 1"]);
  journal.agree(50n);
  assert.deepEqual(show(journal.eventsAfter(50n)), ["52 b started 1", "53 c started 1"]);
  journal.append("a", succeeded());
  assert.deepEqual(show(journal.eventsAfter(53n)), ["54 a succeeded 1"]);
});

test("a second Journal on the same file is refused", async () => {
  const { folder, path, journal } = await scratchJournal();
  await using _ = folder;
  using __ = journal;
  assert.throws(() => new Journal(path, { now }), { code: "busy" });
});

test("changed aborts when something is appended", async () => {
  const { folder, journal } = await scratchJournal();
  await using _ = folder;
  using __ = journal;
  const { changed } = journal;
  assert.ok(!changed.aborted);
  journal.accept(offer("a"));
  assert.ok(changed.aborted);
  assert.ok(!journal.changed.aborted);
});

test("a crash at any byte of the file leaves a beginning of the history, and no gap", async () => {
  await using folder = await makeScratchFolder("journal");
  const path = join(folder.path, "journal.sqlite");
  const history: string[][] = [[]];
  const journal = new Journal(path, { now });
  const look = () => history.push(show(journal.eventsAfter(0n)));
  for (let n = 0; n < 12; n++) {
    const jobId = `job${n}`;
    journal.accept(offer(jobId));
    look();
    journal.append(jobId, n % 2 === 0 ? succeeded(`b${n}`) : failed);
    look();
  }
  // As a process leaves it that is killed: neither closed nor folded back.
  const [main, log] = [await readFile(path), await readFile(`${path}-wal`)];
  journal[Symbol.dispose]();
  const known = new Set(history.map((events) => events.join("\n")));
  let shortest = Infinity;
  let longest = 0;
  const crash = async (at: number) => {
    const copy = join(folder.path, `copy-${at}.sqlite`);
    await writeFile(copy, main);
    await writeFile(`${copy}-wal`, log.subarray(0, at));
    using survivor = new Journal(copy, { now });
    const events = show(survivor.eventsAfter(0n));
    assert.ok(known.has(events.join("\n")), `cut at ${at}: ${events.join(", ")}`);
    survivor.accept(offer("after"));
    const numbers = survivor.eventsAfter(0n).map(({ sequence }) => Number(sequence));
    assert.deepEqual(
      numbers,
      Array.from(numbers, (_, n) => n + 1),
    );
    shortest = Math.min(shortest, events.length);
    longest = Math.max(longest, events.length);
  };
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: log.length }), crash), {
    numRuns: 150,
    examples: [[0], [log.length], [log.length - 1]],
  });
  assert.equal(shortest, 0);
  assert.equal(longest, 24);
});

test("random offers, ends, acknowledgements and restarts never lose or renumber an event", async () => {
  await using folder = await makeScratchFolder("journal");
  let file = 0;
  const step = fc.oneof(
    fc.record({ act: fc.constant("offer"), job: fc.nat(4), token: fc.nat(3) }),
    fc.record({ act: fc.constant("end"), job: fc.nat(4), token: fc.nat(2) }),
    fc.record({ act: fc.constant("take"), job: fc.nat(6), token: fc.constant(0) }),
    fc.record({ act: fc.constant("restart"), job: fc.constant(0), token: fc.constant(0) }),
  );
  const run = async (steps: { act: string; job: number; token: number }[]) => {
    const path = join(folder.path, `random-${file++}.sqlite`);
    let journal = new Journal(path, { now });
    const taken: JobEvent[] = [];
    const running = new Set<string>();
    for (const { act, job, token } of steps) {
      const jobId = `job${job}`;
      if (act === "offer" && journal.accept(offer(jobId, token)) === "run") {
        assert.ok(!running.has(jobId), "the job runs already");
        running.add(jobId);
      }
      if (act === "end" && running.delete(jobId))
        journal.append(jobId, [succeeded(), failed, cancelled][token] ?? failed);
      if (act === "take") {
        const last = taken.at(-1)?.sequence ?? 0n;
        taken.push(...journal.eventsAfter(last, job));
        journal.forget(taken.at(-1)?.sequence ?? 0n);
      }
      if (act === "restart") {
        journal[Symbol.dispose]();
        journal = new Journal(path, { now });
        assert.deepEqual(new Set(journal.running().map((one) => one.jobId)), running);
      }
    }
    taken.push(...journal.eventsAfter(taken.at(-1)?.sequence ?? 0n, 1000));
    journal[Symbol.dispose]();
    assert.deepEqual(
      taken.map(({ sequence }) => Number(sequence)),
      Array.from(taken, (_, n) => n + 1),
    );
    for (const jobId of running)
      assert.equal(taken.filter((e) => e.jobId === jobId).at(-1)?.event.case, "started");
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), { numRuns: 60 });
});

test("a job whose events were taken is still known after a restart", async () => {
  const { folder, journal, path } = await scratchJournal();
  await using _ = folder;
  journal.accept(offer("a"));
  journal.append("a", succeeded());
  journal.forget(2n);
  journal[Symbol.dispose]();
  await copyFile(path, `${path}.copy`);
  using again = new Journal(`${path}.copy`, { now });
  assert.equal(again.kindOf("a"), "backup");
  assert.equal(again.kindOf("z"), undefined);
});
