import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PacketReader } from "./packet-reader.ts";

function packet(sequence: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header.writeUInt8(sequence & 0xff, 3);
  return Buffer.concat([header, payload]);
}

test("next() gives the same packets, wherever the bytes are cut", () => {
  const property = fc.property(
    fc.array(fc.uint8Array({ maxLength: 30 })),
    fc.array(fc.integer({ min: 1, max: 9 })),
    (payloads, sizes) => {
      const stream = Buffer.concat(payloads.map((payload, n) => packet(n, payload)));
      const reader = new PacketReader();
      const found: Buffer[] = [];
      let at = 0;
      for (const size of [...sizes, stream.length]) {
        reader.push(stream.subarray(at, at + size));
        at += size;
        for (let next = reader.next(); next !== undefined; next = reader.next())
          found.push(next.payload);
      }
      assert.deepEqual(
        found,
        payloads.map((payload) => Buffer.from(payload)),
      );
      assert.equal(reader.length, 0);
    },
  );
  fc.assert(property);
});

test("next() joins packets of full length with what follows", () => {
  const reader = new PacketReader();
  reader.push(packet(0, Buffer.alloc(0xffffff, 1)));
  assert.equal(reader.next(), undefined);
  reader.push(packet(1, Buffer.from([2])));
  const joined = reader.next();
  assert.equal(joined?.payload.length, 0x1000000);
  assert.equal(joined.payload.at(-1), 2);
  assert.equal(joined.sequence, 1);
});

test("next() refuses packets without end before they fill the memory", () => {
  const reader = new PacketReader();
  const full = packet(0, Buffer.alloc(0xffffff));
  assert.throws(() => {
    for (let n = 0; n < 6; n++) {
      reader.push(full);
      reader.next();
    }
  }, /more than 67108864 bytes/);
});

test("takeRest() gives what was not read", () => {
  const reader = new PacketReader();
  reader.push(Buffer.concat([packet(0, Buffer.from("a")), Buffer.from("rest")]));
  reader.next();
  assert.equal(reader.takeRest().toString(), "rest");
  assert.equal(reader.length, 0);
});
