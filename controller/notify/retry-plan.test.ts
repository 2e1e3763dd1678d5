import assert from "node:assert/strict";
import { test } from "node:test";
import { nextAttempt } from "./retry-plan.ts";

test("nextAttempt() waits 5 s, 30 s, 2 min, then 15 min each for 24 h", () => {
  const waits: number[] = [];
  let now = new Date(0);
  for (let attempts = 1; ; attempts++) {
    const next = nextAttempt(attempts, now);
    if (next === undefined) break;
    waits.push((next.getTime() - now.getTime()) / 1000);
    now = next;
  }
  assert.deepEqual(waits.slice(0, 4), [5, 30, 120, 900]);
  assert.deepEqual([...new Set(waits.slice(3))], [900]);
  assert.equal(now.getTime() / 1000, 5 + 30 + 120 + 24 * 3600);
});
