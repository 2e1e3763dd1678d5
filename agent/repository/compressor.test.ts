import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { Compressor } from "./compressor.ts";

const mebibyte = 1 << 20;
const random = () => randomBytes(mebibyte);
const text = () => Buffer.alloc(mebibyte, `row ${randomBytes(8).toString("hex")} of a table\n`);

test("compress() gives a frame that opens, or nothing when the chunk does not shrink", () => {
  const compressor = new Compressor();
  const chunk = text();
  const packed = compressor.compress(chunk);
  assert.ok(packed !== undefined && packed.length < chunk.length);
  assert.deepEqual(zstdDecompressSync(packed), chunk);
  assert.equal(compressor.compress(random()), undefined);
});

test("compress() does not compress what does not shrink, but one chunk in sixteen", () => {
  const compressor = new Compressor();
  for (let n = 0; n < 64; n++) assert.equal(compressor.compress(random()), undefined);
  assert.equal(compressor.compressed, 64 / 16);
});

test("compress() compresses the first chunk that shrinks again", () => {
  const compressor = new Compressor();
  for (let n = 0; n < 5; n++) compressor.compress(random());
  for (let n = 0; n < 5; n++) assert.notEqual(compressor.compress(text()), undefined);
  assert.equal(compressor.compressed, 6);
});

test("compress() finds out after a while when the probe was misled", () => {
  const compressor = new Compressor();
  compressor.compress(random());
  // What shrinks lies between the pieces that are looked at.
  const misleading = () => {
    const chunk = Buffer.alloc(mebibyte);
    const step = (mebibyte - 2048) / 7;
    for (let n = 0; n < 8; n++) randomBytes(2048).copy(chunk, Math.floor(n * step));
    return chunk;
  };
  const shrunk = Array.from({ length: 20 }, () => compressor.compress(misleading()) !== undefined);
  assert.equal(shrunk.indexOf(true), 15);
  assert.ok(shrunk.slice(15).every(Boolean));
});

test("compress() tries every small chunk", () => {
  const compressor = new Compressor();
  for (let n = 0; n < 10; n++) compressor.compress(randomBytes(1000));
  assert.equal(compressor.compressed, 10);
});
