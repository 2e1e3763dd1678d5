import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRetries, retryPolicies, waitAfter } from "./retry-policy.ts";

test("waitAfter() is anything from nothing up to a bound that grows and ends", () => {
  const policy = retryPolicies.default;
  const bounds = [1, 2, 3, 4, 5, 6, 7, 8].map((failed) => waitAfter(failed, policy, 1));
  assert.deepEqual(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(waitAfter(3, policy, 0), 0);
  assert.equal(waitAfter(2, retryPolicies.aggressive, 1), 1500);
  assert.equal(waitAfter(9, retryPolicies.quick, 0.5), 2500);
});

test("waitAfter() is never out of bounds, for any preset", () => {
  const presets = Object.values(retryPolicies);
  fc.assert(
    fc.property(
      fc.constantFrom(...presets),
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (policy, failed, random) => {
        const waitMs = waitAfter(failed, policy, random);
        return waitMs >= 0 && waitMs <= policy.mostWaitMs;
      },
    ),
  );
});

test("parseRetries() knows the presets, and names the nearest one", () => {
  assert.equal(parseRetries(undefined), retryPolicies.default);
  assert.equal(parseRetries("quick"), retryPolicies.quick);
  assert.throws(() => parseRetries("agressive"), { code: "usage", remedy: /mean aggressive/ });
  assert.throws(() => parseRetries("toString"), { code: "usage", remedy: /default, aggressive/ });
});
