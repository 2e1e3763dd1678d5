import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusalLimit } from "./refusal-limit.ts";

const at = (ms: number) => new Date(ms);

test("RefusalLimit stops an address after so many refusals, for the rest of the minute", () => {
  const limit = new RefusalLimit(3);
  const written = [1, 2, 3, 4, 5].map((port) => limit.note(`10.0.0.1:${port}`, at(port)));
  assert.deepEqual(written, [true, true, true, true, false]);
  assert.throws(() => limit.check("10.0.0.1:9", at(60_000)), { code: "busy", retryable: true });
  limit.check("10.0.0.1:9", at(60_001));
  assert.equal(limit.note("10.0.0.1:9", at(60_001)), true);
});

test("RefusalLimit counts each address by itself and lets those through that were not refused", () => {
  const limit = new RefusalLimit(1);
  limit.note("[::1]:5", at(0));
  assert.throws(() => limit.check("[::1]:6", at(0)), { code: "busy" });
  limit.check("[::2]:6", at(0));
  limit.check("10.0.0.1:6", at(0));
});
