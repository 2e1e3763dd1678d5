import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { conditionOf, cutRanges } from "./cut-parts.ts";

const table = { schema: "s", name: "t", columns: [], format: "f", details: null };
const sizes = fc.record({
  blocks: fc.integer({ min: 0, max: 1e6 }),
  toast: fc.integer({ min: 0, max: 1e12 }),
});

test("cutRanges() leaves no block out, has none twice, and is open at both ends", () => {
  fc.assert(
    fc.property(sizes, ({ blocks, toast }) => {
      const ranges = cutRanges({ blocks, bytes: blocks === 0 ? 0 : blocks * 8192 + toast });
      assert.equal(ranges[0]?.from, null);
      assert.equal(ranges.at(-1)?.to, null);
      for (const [i, { to }] of ranges.slice(0, -1).entries()) {
        assert.equal(ranges[i + 1]?.from, to);
        assert.ok(to !== null && to > (ranges[i]?.from ?? 0));
      }
    }),
  );
});

test("cutRanges() keeps the borders when the table grows", () => {
  const borders = (blocks: number) =>
    cutRanges({ blocks, bytes: blocks * 8192 }).map(({ to }) => to);
  const before = borders(100_000);
  assert.equal(before.length, 13);
  assert.deepEqual(borders(101_000).slice(0, 12), before.slice(0, 12));
});

test("conditionOf() refuses a range that is no range", () => {
  for (const range of [null, "1", { from: "0); DROP", to: null }, { from: 1.5, to: null }])
    assert.throws(() => conditionOf({ table, range, estimate: 0 }), TypeError);
  assert.equal(conditionOf({ table, range: { from: null, to: null }, estimate: 0 }), "");
  assert.equal(
    conditionOf({ table, range: { from: 8, to: 16 }, estimate: 0 }),
    " WHERE ctid >= '(8,0)'::pg_catalog.tid AND ctid < '(16,0)'::pg_catalog.tid",
  );
});
