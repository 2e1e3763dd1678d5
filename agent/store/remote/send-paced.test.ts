import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { sendPaced, streamPaced } from "./send-paced.ts";

test("a body's pieces are its bytes, and each waits for the pace", async () => {
  const bytes = Buffer.from(Array.from({ length: 150_000 }, (_, at) => at % 251));
  const paced: number[] = [];
  const pieces = await Array.fromAsync(sendPaced(bytes, async (count) => void paced.push(count)));
  assert.deepEqual(Buffer.concat(pieces), bytes);
  assert.deepEqual(paced, [65_536, 65_536, 18_928]);
});

test("a stream whose pace was cancelled ends nothing but itself", async () => {
  const body = streamPaced(Buffer.alloc(200_000), async () => {
    throw new Error("cancelled");
  });
  body.pipe(new PassThrough());
  await new Promise((resolve) => body.once("close", resolve));
  assert.equal(body.errored?.message, "cancelled");
});
