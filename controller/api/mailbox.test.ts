import assert from "node:assert/strict";
import { test } from "node:test";
import { Mailbox } from "./mailbox.ts";

test("Mailbox gives what is put before and while it is read, in order, and then ends", async () => {
  const mailbox = new Mailbox<number>();
  mailbox.put(1);
  const read = Array.fromAsync(mailbox);
  await Promise.resolve();
  mailbox.put(2);
  setImmediate(() => {
    mailbox.put(3);
    mailbox.end();
  });
  assert.deepEqual(await read, [1, 2, 3]);
});

test("Mailbox gives what is in it before its error, and keeps its first end", async () => {
  const mailbox = new Mailbox<number>();
  mailbox.put(1);
  mailbox.fail(new Error("cut"));
  mailbox.end();
  const seen: number[] = [];
  const read = async () => {
    for await (const letter of mailbox) seen.push(letter);
  };
  await assert.rejects(read(), /cut/);
  assert.deepEqual(seen, [1]);
});
