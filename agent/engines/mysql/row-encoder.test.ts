import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RowEncoder } from "./row-encoder.ts";

type Value = Uint8Array | null;

function lengthEncoded(value: Value): Buffer {
  if (value === null) return Buffer.from([0xfb]);
  const { length } = value;
  if (length < 0xfb) return Buffer.concat([Buffer.from([length]), value]);
  const header = Buffer.alloc(length <= 0xffff ? 3 : 9);
  header.writeUInt8(length <= 0xffff ? 0xfc : 0xfe);
  if (length <= 0xffff) header.writeUInt16LE(length, 1);
  else header.writeBigUInt64LE(BigInt(length), 1);
  return Buffer.concat([header, value]);
}

/** Reads lines as LOAD DATA does. */
function readLines(text: Buffer): (Buffer | null)[][] {
  const rows: (Buffer | null)[][] = [];
  let row: (Buffer | null)[] = [];
  let value: number[] | null = [];
  const unescape: Record<number, number> = { 0x30: 0, 0x74: 9, 0x6e: 10, 0x5c: 0x5c };
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if (byte === 0x5c) {
      const next = text[++at] ?? 0;
      if (next === 0x4e) value = null;
      else value?.push(unescape[next] ?? assert.fail(`escape ${next}`));
    } else if (byte === 9 || byte === 10) {
      row.push(value === null ? null : Buffer.from(value));
      value = [];
      if (byte === 10) {
        rows.push(row);
        row = [];
      }
    } else value?.push(byte);
  }
  assert.deepEqual([row, value], [[], []]);
  return rows;
}

const byte = fc.oneof(
  fc.constantFrom(0, 9, 10, 0x5c, 0x4e, 0xfb),
  fc.integer({ min: 0, max: 255 }),
);
const value = fc.option(fc.array(byte, { maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)));

test("encode() gives lines that read as the same rows, wherever the bytes are cut", () => {
  const property = fc.property(
    fc.array(fc.tuple(value, value, value), { maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 200 })),
    (rows, sizes) => {
      const stream = Buffer.concat(rows.flat().map(lengthEncoded));
      const encoder = new RowEncoder(3);
      const lines: Buffer[] = [];
      let at = 0;
      for (const size of [...sizes, stream.length]) {
        lines.push(Buffer.from(encoder.encode(stream.subarray(at, at + size))));
        at += size;
      }
      encoder.finish();
      assert.equal(encoder.rows, rows.length);
      const expected = rows.map((row) =>
        row.map((one) => (one === null ? null : Buffer.from(one))),
      );
      assert.deepEqual(readLines(Buffer.concat(lines)), expected);
    },
  );
  fc.assert(property);
});

test("finish() refuses bytes that end inside a row, at every byte", () => {
  const stream = Buffer.concat([Buffer.from("ab"), Buffer.alloc(300)].map(lengthEncoded));
  for (let end = 1; end < stream.length; end++) {
    const encoder = new RowEncoder(2);
    encoder.encode(stream.subarray(0, end));
    assert.throws(() => encoder.finish(), /no whole rows/, `cut at ${end}`);
  }
});

test("encode() refuses a length that cannot be", () => {
  assert.throws(() => new RowEncoder(1).encode(Buffer.from([0xff])), /no whole rows/);
  const huge = Buffer.from([0xfe, ...Array.from({ length: 8 }, () => 0xff)]);
  assert.throws(() => new RowEncoder(1).encode(huge), /no whole rows/);
});
