import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Lane, onEvery, runOnLanes } from "./lane.ts";

const lanes = ["a", "b"] as unknown as Lane[];

test("runOnLanes() gives every task to one lane and never two tasks to one", async () => {
  const busy = new Set<Lane>();
  const run = async (lane: Lane, task: number) => {
    assert.ok(!busy.has(lane));
    busy.add(lane);
    await sleep(task % 3);
    busy.delete(lane);
    return task;
  };
  const tasks = Array.from({ length: 20 }, (_, n) => n);
  const results = await Array.fromAsync(runOnLanes(lanes, tasks, run));
  assert.deepEqual(
    results.toSorted((a, b) => a - b),
    tasks,
  );
});

test("runOnLanes() begins nothing after an error, and waits for what is under way", async () => {
  const begun: number[] = [];
  let ended = false;
  const run = async (_: Lane, task: number) => {
    begun.push(task);
    if (task === 0) throw new Error("disk on fire");
    await sleep(10);
    ended = true;
  };
  await assert.rejects(Array.fromAsync(runOnLanes(lanes, [0, 1, 2, 3], run)), /disk on fire/);
  assert.deepEqual(begun, [0, 1]);
  assert.ok(ended);
});

test("runOnLanes() reports a task that fails while the caller is busy with a result", async () => {
  const run = async (_: Lane, task: number) => {
    if (task < 2) return task;
    await sleep(1);
    throw new Error("disk on fire");
  };
  const consume = async () => {
    for await (const _ of runOnLanes(lanes, [0, 1, 2, 3], run)) await sleep(30);
  };
  await assert.rejects(consume(), /disk on fire/);
});

test("onEvery() waits for all lanes, also when one fails", async () => {
  const ended: Lane[] = [];
  const run = async (lane: Lane) => {
    if (lane === lanes[0]) throw new Error("disk on fire");
    await sleep(10);
    ended.push(lane);
  };
  await assert.rejects(onEvery(lanes, run), /disk on fire/);
  assert.deepEqual(ended, [lanes[1]]);
});
