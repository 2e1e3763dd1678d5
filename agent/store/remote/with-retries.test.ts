import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { remoteFailure } from "./remote-failure.ts";
import { retryPolicies } from "./retry-policy.ts";
import { realRetryParts, type RetryOptions, type Try, withRetries } from "./with-retries.ts";

const { signal } = new AbortController();
const down = () => failure(503);
const failure = (status: number, retryAfterMs?: number) =>
  remoteFailure({
    act: "read",
    object: "a",
    status,
    cause: 0,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });

/** Waits take no time but are noted; chance is always the worst. */
function scriptedParts() {
  const waits: number[] = [];
  let clock = 0;
  const parts = {
    random: () => 1,
    now: () => clock,
    sleep: async (ms: number) => {
      waits.push(ms);
      clock += ms;
    },
  };
  return { waits, parts, pass: (ms: number) => (clock += ms) };
}

const optionsOf = (more: Partial<RetryOptions>): RetryOptions => ({
  what: "read a",
  policy: retryPolicies.default,
  parts: scriptedParts().parts,
  signal,
  ...more,
});

describe("withRetries()", () => {
  test("tries again with growing waits, and then gives the last error", async () => {
    const { waits, parts } = scriptedParts();
    let tries = 0;
    const attempt = async (one: Try) => {
      assert.equal(one.number, ++tries);
      throw down();
    };
    const run = withRetries(attempt, optionsOf({ parts }));
    await assert.rejects(run, { code: "store-unreachable" });
    assert.equal(tries, 5);
    assert.deepEqual(waits, [500, 1000, 2000, 4000]);
  });

  test("never repeats what fails for good, nor a bug of ours", async () => {
    for (const error of [failure(403), failure(404), failure(412), new TypeError("x is no y")]) {
      let tries = 0;
      const attempt = async () => {
        tries++;
        throw error;
      };
      await assert.rejects(withRetries(attempt, optionsOf({})), (thrown) => thrown === error);
      assert.equal(tries, 1);
    }
  });

  test("waits as long as the store asks for, if there is so much time", async () => {
    const { waits, parts } = scriptedParts();
    let tries = 0;
    const attempt = async () => {
      if (++tries < 3) throw failure(429, 90_000);
      return "done";
    };
    assert.equal(await withRetries(attempt, optionsOf({ parts })), "done");
    assert.deepEqual(waits, [90_000, 90_000]);
    const late = async () => {
      throw failure(429, 600_000);
    };
    await assert.rejects(withRetries(late, optionsOf({})), { code: "store-unreachable" });
  });

  test("begins no try after the policy's time", async () => {
    const { parts, pass } = scriptedParts();
    let tries = 0;
    const attempt = async () => {
      tries++;
      pass(20_000);
      throw down();
    };
    const run = withRetries(attempt, optionsOf({ parts, policy: retryPolicies.quick }));
    await assert.rejects(run, { code: "store-unreachable" });
    assert.equal(tries, 2);
  });

  test("counts anew after a try that gained something", async () => {
    let tries = 0;
    const attempt = async (one: Try) => {
      if (++tries <= 20) one.gained();
      throw down();
    };
    await assert.rejects(withRetries(attempt, optionsOf({})), { code: "store-unreachable" });
    assert.equal(tries, 20 + 4);
  });

  test("ends at once when it is cancelled, in a try that does not listen and in a wait", async () => {
    const reason = new Error("enough");
    for (const attempt of [
      () => new Promise<never>(() => {}),
      () => Promise.reject(failure(429, 60_000)),
    ]) {
      const cancel = new AbortController();
      const options = optionsOf({ parts: realRetryParts, signal: cancel.signal });
      const run = withRetries(attempt, options);
      await turn();
      cancel.abort(reason);
      const began = performance.now();
      await assert.rejects(run, (error) => error === reason);
      assert.ok(performance.now() - began < 200);
    }
  });

  test("ends a try in which nothing moves, but not one that moves or waits", async () => {
    const tries: Try[] = [];
    const attempt = (one: Try) => {
      tries.push(one);
      return tries.length < 2 ? new Promise<never>(() => {}) : Promise.resolve("done");
    };
    const run = withRetries(attempt, optionsOf({ stallMs: 600 }));
    for (let n = 0; n < 4; n++) {
      await sleep(200);
      tries[0]?.moved();
    }
    await tries[0]?.pause(sleep(1000));
    assert.equal(tries.length, 1);
    const still = performance.now();
    assert.equal(await run, "done");
    assert.ok(performance.now() - still > 300);
    assert.match(String(tries[0]?.signal.reason), /Cannot read a: no byte has moved for 1 s/);
  });
});
