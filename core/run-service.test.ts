import assert from "node:assert/strict";
import { test } from "node:test";
import { backOffMs, runService } from "./run-service.ts";

test("runService() tells failures with growing waits, begins anew after a success", async () => {
  const stop = new AbortController();
  const told: number[] = [];
  const outcomes = ["bad", "bad", "good", "bad"];
  await runService(
    async () => {
      const outcome = outcomes.shift();
      if (outcome === undefined) stop.abort();
      if (outcome === "bad") throw new Error("no");
    },
    {
      idleMs: 1,
      maxDelayMs: 3,
      onFailure: (_, { failures }) => told.push(failures),
      signal: stop.signal,
    },
  );
  assert.deepEqual(told, [1, 2, 1]);
});

test("runService() ends while it waits", async () => {
  const stop = new AbortController();
  const onFailure = () => assert.fail("nothing failed");
  const step = async () => void setTimeout(() => stop.abort(), 5);
  await runService(step, { idleMs: 60_000, maxDelayMs: 60_000, onFailure, signal: stop.signal });
});

test("backOffMs() doubles up to its limit, at least half of it", () => {
  const at = (failures: number, random: number) =>
    backOffMs({ failures, baseMs: 100, maxMs: 1000 }, () => random);
  assert.deepEqual([at(1, 1), at(2, 1), at(3, 1), at(9, 1)], [200, 400, 800, 1000]);
  assert.deepEqual([at(1, 0), at(99, 0)], [100, 500]);
});
