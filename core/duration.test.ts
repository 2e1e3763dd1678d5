import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";

test("parseDuration() reads what formatDuration() writes", () => {
  assert.deepEqual(["30s", "15m", "36h", "7d"].map(parseDuration), [30, 900, 129_600, 604_800]);
  fc.assert(
    fc.property(fc.nat({ max: 100_000_000 }), (seconds) => {
      assert.equal(parseDuration(formatDuration(seconds)), seconds);
    }),
  );
});

test("parseDuration() reads weeks, months of 30 days and years of 365", () => {
  const days = ["4w", "6mo", "1y"].map((text) => parseDuration(text) / 86_400);
  assert.deepEqual(days, [28, 180, 365]);
  assert.equal(parseDuration("6m"), 360);
});

test("parseDuration() shows both readings of a bare number", () => {
  assert.throws(() => parseDuration("30"), /30s for seconds or 30m for minutes/);
  for (const text of ["", "m", "1.5h", "-1h", "1M", "1 h", "1h30m", "1000000000s"])
    assert.throws(() => parseDuration(text), SyntaxError);
});
