import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { newRandomId } from "./identifier.ts";
import type { StreamMap } from "./map.ts";
import { encodeMap, MapReader, streamHash } from "./map-bytes.ts";

const epoch = {
  repository: newRandomId(),
  instance: "7312",
  epoch: "20261120T101530Z-k3v9x0ap",
  key: randomBytes(32),
};
const name = { id: "20261120T101531Z-00000000", map: 0 };
const object = "7312/backups/20261120T101531Z-00000000/map-0";
const damage = { code: "repository-damaged", message: new RegExp(object) };
const read = (bytes: Buffer, as = name) => new MapReader(epoch, as, { bytes, object });

const packs = [newRandomId(), newRandomId(), newRandomId()];
const refs = fc.record(
  {
    pack: fc.constantFrom(...packs),
    offset: fc.integer({ min: 8, max: 1 << 25 }),
    stored: fc.integer({ min: 22, max: 4 << 20 }),
    bytes: fc.integer({ min: 1, max: 4 << 20 }),
    id: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((id) => Buffer.from(id).toString("hex")),
  },
  { noNullPrototype: true },
);
const streams = fc.array(refs, { maxLength: 20 }).map((chunks): StreamMap => ({
  chunks,
  hash: streamHash(chunks),
  bytes: chunks.reduce((sum, { bytes }) => sum + bytes, 0),
}));
const numbered = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), streams), { maxLength: 10 })
  .map((pairs) => new Map(pairs));

test("MapReader reads what encodeMap() has written", () => {
  fc.assert(
    fc.property(numbered, (map) => {
      const reader = read(encodeMap(epoch, name, map));
      assert.deepEqual(reader.numbers, [...map.keys()]);
      for (const [number, stream] of map) assert.deepEqual(reader.stream(number), stream);
    }),
    { numRuns: 100 },
  );
});

test("MapReader finds every flipped byte and every cut, and names the object", () => {
  const [map = new Map()] = fc.sample(
    numbered.filter(({ size }) => size > 1),
    1,
  );
  const bytes = encodeMap(epoch, name, map);
  for (let at = 0; at < bytes.length; at += at < 100 ? 1 : 37) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 2;
    assert.throws(() => read(flipped), at === 7 ? { code: "repository-newer" } : damage, `${at}`);
    assert.throws(() => read(bytes.subarray(0, at)), damage, `cut at ${at}`);
  }
});

test("MapReader does not take the map of another backup, or another map of this one", () => {
  const bytes = encodeMap(epoch, name, new Map());
  assert.throws(() => read(bytes, { ...name, map: 1 }), damage);
  assert.throws(() => read(bytes, { ...name, id: "20261120T101531Z-00000001" }), damage);
});

test("encodeMap() writes no map that could not be read", () => {
  const bad: StreamMap[] = [
    { chunks: [], hash: "00".repeat(32), bytes: 0 },
    { chunks: [], hash: createHash("sha256").digest("hex"), bytes: 1 },
  ];
  for (const stream of bad)
    assert.throws(() => encodeMap(epoch, name, new Map([[0, stream]])), damage);
});

test("streamHash() depends on the order of chunks", () => {
  const ids = [{ id: "aa".repeat(32) }, { id: "bb".repeat(32) }] as StreamMap["chunks"];
  assert.notEqual(streamHash(ids), streamHash(ids.toReversed()));
});

test("encodeMap() seals under another key each time", () => {
  const [a, b] = [encodeMap(epoch, name, new Map()), encodeMap(epoch, name, new Map())];
  assert.notDeepEqual(a.subarray(8, 40), b.subarray(8, 40));
  assert.notDeepEqual(a.subarray(40), b.subarray(40));
});
