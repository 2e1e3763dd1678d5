import assert from "node:assert/strict";
import { test } from "node:test";
import { DbctlError } from "./errors.ts";

test("DbctlError.from() keeps the first error when closing something failed after it", async () => {
  const first = new DbctlError("store-full", "Cannot create a: the disk is full", {
    remedy: "Make room",
    retryable: true,
  });
  const work = async () => {
    await using _ = { [Symbol.asyncDispose]: () => Promise.reject(new Error("no goodbye")) };
    throw first;
  };
  const reason = await work().then(
    () => undefined,
    (error: unknown) => DbctlError.from(error),
  );
  assert.equal(reason?.code, "store-full");
  assert.equal(
    reason.message,
    "Cannot create a: the disk is full; and then: Cannot go on: no goodbye",
  );
  assert.equal(reason.remedy, "Make room");
  assert.ok(reason.retryable);
});
