import assert from "node:assert/strict";
import { test } from "node:test";
import { retryDeadlocks } from "./retry-deadlocks.ts";

const deadlock = new Error("deadlock");
const isDeadlock = (error: unknown) => error === deadlock;

test("retryDeadlocks() runs again after deadlocks, and after nothing else", async () => {
  const { signal } = new AbortController();
  let tries = 0;
  const run = async () => {
    await Promise.resolve();
    if (++tries < 4) throw deadlock;
  };
  await retryDeadlocks(run, { isDeadlock, signal });
  assert.equal(tries, 4);
  const fail = () => Promise.reject(new Error(`failed ${++tries}`));
  await assert.rejects(retryDeadlocks(fail, { isDeadlock, signal }), /failed 5/);
});

test("retryDeadlocks() ends at once when its signal aborts", async () => {
  const abort = new AbortController();
  const reason = new Error("stop");
  const run = () => Promise.reject(deadlock);
  const running = retryDeadlocks(run, { isDeadlock, signal: abort.signal });
  setTimeout(() => abort.abort(reason), 30);
  await assert.rejects(running, (error) => error === reason);
});
