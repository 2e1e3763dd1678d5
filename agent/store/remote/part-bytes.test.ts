import assert from "node:assert/strict";
import { test } from "node:test";
import { mostParts, partBytes, partsInFlight } from "./part-bytes.ts";

test("partBytes() lets 10,000 parts hold 5 TiB, none too small or too large for S3", () => {
  const parts = Array.from({ length: mostParts }, (_, n) => partBytes(n + 1));
  assert.ok(parts.reduce((sum, bytes) => sum + bytes, 0) >= 5 * 2 ** 40);
  assert.equal(Math.min(...parts), 8 << 20);
  assert.ok(Math.max(...parts) <= 5 * 2 ** 30);
  assert.equal(partBytes(1000), 8 << 20);
  assert.equal(partBytes(1001), 16 << 20);
});

test("partsInFlight() bounds what stays in memory", () => {
  assert.deepEqual(
    [1, 8, 32, 48, 64, 4096].map((mib) => partsInFlight(mib * 2 ** 20)),
    [3, 3, 3, 2, 1, 1],
  );
});
