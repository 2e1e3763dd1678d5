import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { ChunkCodec } from "./chunk-codec.ts";
import { newRandomId } from "./identifier.ts";
import { packKey } from "./object-key.ts";
import { encodePackTail, readPackIndex } from "./pack.ts";
import { PackUpload } from "./pack-upload.ts";

const { signal } = new AbortController();
const epoch = {
  repository: newRandomId(),
  instance: "7312",
  epoch: "20261120T101530Z-k3v9x0ap",
  key: randomBytes(32),
};

async function storedPack(chunks: Uint8Array[]) {
  const objects = new Map<string, Uint8Array>();
  const store = createMemoryStore(objects);
  const codec = new ChunkCodec(epoch);
  const upload = new PackUpload(() => {});
  for (const chunk of chunks) upload.add(chunk, codec.id(chunk), codec);
  upload.end(epoch);
  const key = packKey(epoch, upload.pack);
  const { size } = await store.put(key, upload.body(), { signal });
  const read = (pack = upload.pack, length = size) =>
    readPackIndex({ store, epoch, signal }, { pack, size: length });
  return { objects, key, upload, size, read };
}

test("readPackIndex() gives the frames of the pack as they were written", async () => {
  const { upload, size, read } = await storedPack([randomBytes(10), Buffer.alloc(5000, 1)]);
  assert.equal(size, upload.size);
  assert.equal(upload.waiting, 0);
  assert.deepEqual(
    await read(),
    upload.entries.map((entry) => ({ ...entry })),
  );
});

test("readPackIndex() finds every flipped byte of the tail, and names the pack", async () => {
  const { objects, key, upload, size, read } = await storedPack([randomBytes(50)]);
  const bytes = Buffer.from(objects.get(key) ?? []);
  const frames = upload.entries[0]?.stored ?? 0;
  for (const at of [
    ...Array(8).keys(),
    ...Array(size - 8 - frames)
      .keys()
      .map((n) => 8 + frames + n),
  ]) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 4;
    objects.set(key, flipped);
    const error = await read().then(
      () => assert.fail(`byte ${at} was not missed`),
      (reason) => reason,
    );
    assert.match(error.code, /^repository-(damaged|newer)$/, `byte ${at}`);
    assert.match(error.message, new RegExp(key), `byte ${at}`);
  }
});

test("readPackIndex() finds a pack cut at any byte", async () => {
  const { objects, key, size, read } = await storedPack([randomBytes(50)]);
  const bytes = Buffer.from(objects.get(key) ?? []);
  for (let length = 0; length < size; length++) {
    objects.set(key, bytes.subarray(0, length));
    await assert.rejects(read(undefined, length), { code: "repository-damaged" }, `${length}`);
    await assert.rejects(read(), { code: "repository-damaged" }, `${length}`);
  }
});

test("readPackIndex() does not take a pack for another one", async () => {
  const a = await storedPack([randomBytes(50)]);
  const other = newRandomId();
  a.objects.set(packKey(epoch, other), a.objects.get(a.key) ?? new Uint8Array());
  await assert.rejects(a.read(other), { code: "repository-damaged" });
});

test("readPackIndex() accounts for every byte of the frames", async () => {
  const { objects, key, upload, read } = await storedPack([randomBytes(50), randomBytes(60)]);
  const framesEnd = upload.entries.reduce((end, { stored }) => end + stored, 8);
  const frames = Buffer.from(objects.get(key) ?? []).subarray(0, framesEnd);
  for (const entries of [upload.entries.slice(1), [...upload.entries, ...upload.entries]]) {
    const pack = Buffer.concat([frames, encodePackTail(epoch, upload.pack, entries)]);
    objects.set(key, pack);
    await assert.rejects(read(undefined, pack.length), { code: "repository-damaged" });
  }
});
