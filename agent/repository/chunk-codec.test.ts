import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { test } from "node:test";
import zlib from "node:zlib";
import fc from "fast-check";
import { ChunkCodec, frameOverhead, maxChunkBytes } from "./chunk-codec.ts";
import { newRandomId } from "./identifier.ts";

const epoch = {
  repository: newRandomId(),
  instance: "7312",
  epoch: "20261120T101530Z-k3v9x0ap",
  key: randomBytes(32),
};
const codec = new ChunkCodec(epoch);
const place = (chunk: Uint8Array, offset = 8) => ({
  pack: "0123456789abcdef0123456789abcdef",
  offset,
  id: codec.id(chunk),
});
const damage = { code: "repository-damaged", message: /packs\/.*\/0123456789abcdef/ };

test("ChunkCodec opens what it has sealed, in the place it was sealed for", () => {
  const chunks = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 5000 }),
    fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 100_000 }))
      .map(([byte, length]) => new Uint8Array(length).fill(byte)),
  );
  fc.assert(
    fc.property(chunks, fc.integer({ min: 8, max: 60 << 20 }), (chunk, offset) => {
      const frame = codec.seal(chunk, place(chunk, offset));
      assert.ok(frame.length <= chunk.length + frameOverhead);
      const opened = codec.open(frame, place(chunk, offset), chunk.length);
      assert.equal(Buffer.compare(opened, chunk), 0);
    }),
    { numRuns: 200 },
  );
});

test("ChunkCodec holds chunks of the largest size, raw when they do not shrink", () => {
  for (const [chunk, codecByte] of [
    [randomBytes(maxChunkBytes), 0],
    [Buffer.alloc(maxChunkBytes, "row\n"), 1],
    [Buffer.from("x"), 0],
  ] as const) {
    const frame = codec.seal(chunk, place(chunk));
    assert.equal(frame[0], codecByte);
    assert.ok(codec.open(frame, place(chunk), chunk.length).equals(chunk));
  }
});

test("ChunkCodec finds every flipped byte and every cut", () => {
  const chunk = Buffer.alloc(200, "some rows\n");
  const frame = codec.seal(chunk, place(chunk));
  for (let at = 0; at < frame.length; at++) {
    const flipped = Buffer.from(frame);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    assert.throws(() => codec.open(flipped, place(chunk), chunk.length), damage, `flip ${at}`);
    assert.throws(() => codec.open(frame.subarray(0, at), place(chunk), chunk.length), damage);
  }
});

test("ChunkCodec does not open a frame in another place, or as another chunk", () => {
  const chunk = randomBytes(100);
  const frame = codec.seal(chunk, place(chunk));
  const right = place(chunk);
  const wrong = [
    { ...right, offset: 9 },
    { ...right, pack: newRandomId() },
    { ...right, id: randomBytes(32) },
  ];
  for (const one of wrong)
    assert.throws(() => codec.open(frame, one, chunk.length), { code: "repository-damaged" });
  assert.throws(() => codec.open(frame, right, chunk.length + 1), damage);
  for (const other of [
    { ...epoch, instance: "7313" },
    { ...epoch, epoch: "20261120T101530Z-k3v9x0aq" },
    { ...epoch, repository: newRandomId() },
    { ...epoch, key: randomBytes(32) },
  ])
    assert.throws(() => new ChunkCodec(other).open(frame, right, chunk.length), {
      code: "repository-damaged",
    });
});

test("ChunkCodec gives a chunk one id per epoch, and names no byte of it", () => {
  const chunk = Buffer.from("secret row");
  assert.deepEqual(codec.id(chunk), new ChunkCodec(epoch).id(chunk));
  const other = new ChunkCodec({ ...epoch, key: randomBytes(32) });
  assert.notDeepEqual(codec.id(chunk), other.id(chunk));
});

test("ChunkCodec does not open a chunk that was sealed under the id of another one", () => {
  const [chunk, other] = [randomBytes(100), randomBytes(100)];
  const lie = { ...place(chunk), id: codec.id(other) };
  const frame = codec.seal(chunk, lie);
  assert.throws(() => codec.open(frame, lie, chunk.length), damage);
});

test("ChunkCodec does not seal what its compressor has spoilt", (t) => {
  const { zstdCompressSync } = zlib;
  const chunk = Buffer.alloc(10_000, "some text ");
  const spoilt = Buffer.from(chunk);
  spoilt[5000] = 0;
  t.mock.method(zlib, "zstdCompressSync", () => zstdCompressSync(spoilt));
  syncBuiltinESMExports();
  try {
    assert.throws(() => codec.seal(chunk, place(chunk)), { code: "system-failed" });
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
  assert.deepEqual(codec.open(codec.seal(chunk, place(chunk)), place(chunk), 10_000), chunk);
});
