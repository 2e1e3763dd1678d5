import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BodyReader, encodeMessage, type Message, MessageReader } from "./messages.ts";

function readAll(pieces: Uint8Array[]): Message[] {
  const reader = new MessageReader();
  const messages: Message[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let next = reader.next(); next !== undefined; next = reader.next()) messages.push(next);
  }
  assert.equal(reader.size, 0);
  return messages;
}

test("MessageReader gives the same messages wherever the bytes are cut", () => {
  const bytes = Buffer.concat([
    encodeMessage("S", "name", "value"),
    encodeMessage("Z", Buffer.from("I")),
    encodeMessage("n"),
    encodeMessage("D", Buffer.alloc(300, 7)),
  ]);
  const whole = readAll([bytes]);
  assert.deepEqual(
    whole.map(({ type, body }) => [type, body.length]),
    [
      ["S", 11],
      ["Z", 1],
      ["n", 0],
      ["D", 300],
    ],
  );
  for (let cut = 0; cut <= bytes.length; cut++)
    assert.deepEqual(readAll([bytes.subarray(0, cut), bytes.subarray(cut)]), whole);
  assert.deepEqual(readAll([...bytes].map((byte) => Buffer.of(byte))), whole);
});

test("MessageReader keeps its bytes when the memory that brought them changes", () => {
  const reader = new MessageReader();
  const bytes = encodeMessage("C", "SELECT 1");
  reader.push(bytes);
  bytes.fill(0);
  assert.deepEqual(reader.next(), { type: "C", body: Buffer.from("SELECT 1\0") });
});

test("MessageReader gives what is left after a message", () => {
  const reader = new MessageReader();
  reader.push(Buffer.concat([encodeMessage("H", Buffer.alloc(3)), Buffer.from("rest")]));
  assert.equal(reader.next()?.type, "H");
  assert.equal(reader.takeAll().toString(), "rest");
});

for (const length of [0, 3, 0x7fffffff, 0xffffffff])
  test(`MessageReader refuses an announced length of ${length}`, () => {
    const reader = new MessageReader();
    const head = Buffer.alloc(5, "R");
    head.writeUInt32BE(length, 1);
    reader.push(head);
    assert.throws(() => reader.next(), { code: "protocol-violated" });
  });

test("BodyReader never reads past the end", () => {
  const reads = fc.array(fc.constantFrom("uint8", "uint16", "int32", "string"));
  fc.assert(
    fc.property(fc.uint8Array(), reads, (bytes, names) => {
      const reader = new BodyReader(Buffer.from(bytes));
      try {
        for (const name of names as ("uint8" | "string")[]) reader[name]();
      } catch (error) {
        assert.equal((error as { code: string }).code, "protocol-violated");
      }
      assert.ok(reader.rest >= 0);
    }),
  );
});
