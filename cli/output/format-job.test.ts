import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { JobSchema, type JobStateSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { describeState, failureLines, hasEnded, hasSucceeded, jobDocument } from "./format-job.ts";
import { JobBoard } from "./job-board.ts";

type Kind = MessageInitShape<typeof JobStateSchema>["kind"];

function job(id: string, kind: Kind, database = `db1/${id}`) {
  const state = kind === undefined ? {} : { kind };
  const spec = { kind: { case: "backup" as const, value: {} } };
  return create(JobSchema, { id, database, host: "db1", state, spec, attempt: 1 });
}

const failed = (id: string, remedy: string) => {
  const error = { code: "engine-unreachable", message: `Cannot reach ${id}: down`, remedy };
  return job(id, { case: "failed", value: { error } });
};
const backup = {
  backupId: "b1",
  state: "complete",
  bytesRead: 1_000_000n,
  bytesNew: 500n,
  rows: 7n,
  tables: 2,
};
const succeeded = (id: string) =>
  job(id, { case: "succeeded", value: { result: { kind: { case: "backup", value: backup } } } });
const running = (id: string, bytesDone: bigint) => {
  const progress = { phase: "backing up 2 tables", bytesDone, bytesTotal: 10_000n };
  return job(id, { case: "running", value: { progress } });
};

test("failureLines() puts failures of one cause together, with the remedy once", () => {
  const jobs = [failed("a", "Start it"), failed("b", "Start it"), failed("c", "Fix the disk")];
  const lines = failureLines([...jobs, succeeded("d")]);
  assert.deepEqual(lines, [
    "  db1/a (job a): Cannot reach a: down",
    "  db1/b (job b): Cannot reach b: down",
    "    → Start it",
    "  db1/c (job c): Cannot reach c: down",
    "    → Fix the disk",
  ]);
});

test("jobDocument() has a result or an error, as the state is", () => {
  const well = jobDocument(succeeded("a"));
  assert.deepEqual([well["state"], well["error"]], ["succeeded", undefined]);
  assert.deepEqual(well["result"], {
    backup: "b1",
    state: "complete",
    bytes: { read: 1_000_000, stored: 0, new: 500 },
    rows: 7,
    tables: 2,
    missing: [],
  });
  const lost = jobDocument(job("b", { case: "lost", value: { reason: "the agent is silent" } }));
  assert.match(JSON.stringify(lost["error"]), /the agent is silent/);
  assert.deepEqual(jobDocument(job("c", undefined))["state"], null);
});

test("describeState() says in words where a job is", () => {
  assert.equal(describeState(running("a", 5_000n)), "backing up 2 tables: 5.0 kB of ~10.0 kB");
  assert.match(describeState(succeeded("a")), /backup b1 is complete: 1.0 MB read, 500 B new/);
  assert.match(describeState(job("a", { case: "cancelled", value: { by: "ann" } })), /ann/);
  assert.match(describeState(job("a", undefined)), /does not know/);
});

test("hasEnded() and hasSucceeded() take nothing unknown for an end or a success", () => {
  assert.deepEqual(
    [hasEnded(job("a", undefined)), hasSucceeded(job("a", undefined))],
    [false, false],
  );
  assert.deepEqual([hasEnded(failed("a", "x")), hasSucceeded(failed("a", "x"))], [true, false]);
});

test("a verified backup that is damaged is no success", () => {
  const verdict = (damages: string[]) => {
    const value = { backupId: "b1", damages };
    const result = { kind: { case: "verify" as const, value } };
    return job("a", { case: "succeeded", value: { result } });
  };
  assert.ok(hasSucceeded(verdict([])));
  assert.ok(!hasSucceeded(verdict(["pack 1: its hash is wrong"])));
  assert.match(failureLines([verdict(["pack 1: its hash is wrong"])])[0] ?? "", /pack 1/);
});

function screen(isTTY: boolean) {
  const written: string[] = [];
  const clock = { at: 0 };
  const stream = { isTTY, columns: 200, write: (text: string) => written.push(text) };
  return { written, clock, board: new JobBoard({ now: () => clock.at, stream }) };
}

test("JobBoard shows a line for each job that runs on a terminal, and counts those that ended", () => {
  const { written, clock, board } = screen(true);
  board.update(running("a", 1n));
  clock.at = 200;
  board.update(running("b", 1n));
  board.update(succeeded("a"));
  const last = written.slice(-3);
  assert.match(last[1] ?? "", /1 of 2 done/);
  assert.match(last[2] ?? "", /db1\/b: backing up/);
  board[Symbol.dispose]();
  assert.equal(written.at(-1), "\u001b[2A\r\u001b[J");
});

test("JobBoard redraws at most ten times a second", () => {
  const { written, clock, board } = screen(true);
  for (let n = 0; n < 100; n++) {
    clock.at = n * 10;
    board.update(running("a", BigInt(n + 1)));
  }
  assert.equal(written.filter((line) => line.includes("0 of 1 done")).length, 10);
});

test("JobBoard writes one plain line for each end elsewhere, and none twice", () => {
  const { written, board } = screen(false);
  board.update(running("a", 1n));
  board.update(succeeded("a"));
  board.update(succeeded("a"));
  board.update(failed("b", "x"));
  assert.deepEqual(written, [
    "db1/a: backup b1 is complete: 1.0 MB read, 500 B new\n",
    "db1/b: Cannot reach b: down\n",
  ]);
});
