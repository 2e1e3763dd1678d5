import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openBackup } from "./open-backup.ts";
import { readStream } from "./read-stream.ts";

async function storedStream(chunks: Uint8Array[], packBytes = 1 << 20) {
  const scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams: [chunks], packBytes });
  const backup = await openBackup({
    ...scratch,
    header,
    keys: { identity: scratch.identity },
    signal,
  });
  const map = await backup.streamMap(0);
  const read = (store: ObjectStore = scratch.store, changed = map) =>
    readStream({ store, epoch: backup.epoch, map: changed, signal });
  const dispose = () => scratch[Symbol.asyncDispose]();
  return { ...scratch, header, backup, map, read, [Symbol.asyncDispose]: dispose };
}

test("readStream() fetches neighbours together and gives chunk by chunk", async () => {
  const chunks = Array.from({ length: 50 }, () => randomBytes(1000));
  await using scratch = await storedStream(chunks);
  let gets = 0;
  const store = createFaultyStore(scratch.store, () => void gets++);
  const read = await Array.fromAsync(scratch.read(store));
  assert.deepEqual(read, chunks);
  assert.equal(gets, 1);
});

test("readStream() keeps a chunk until the one after the next is asked for", async () => {
  // Large enough to be released, raw and packed.
  const chunks = Array.from({ length: 12 }, (_, n) =>
    n % 2 === 0 ? randomBytes(300_000) : Buffer.alloc(2_000_000, n),
  );
  await using scratch = await storedStream(chunks, 4 << 20);
  let last: Uint8Array | undefined;
  let n = 0;
  for await (const chunk of scratch.read()) {
    if (last !== undefined) assert.deepEqual(last, chunks[n - 1]);
    assert.deepEqual(chunk, chunks[n]);
    last = chunk;
    n++;
  }
  assert.deepEqual(last, chunks.at(-1));
  assert.equal(n, chunks.length);
});

test("readStream() gives the chunks before a damage and then names the pack and the byte", async () => {
  const chunks = Array.from({ length: 20 }, () => randomBytes(1000));
  await using scratch = await storedStream(chunks);
  const { pack = "", offset = 0 } = scratch.map.chunks[7] ?? {};
  const key = `7312/packs/${scratch.header.epoch}/${pack}`;
  const bytes = Buffer.from(scratch.objects.get(key) ?? []);
  bytes[offset + 30] = (bytes[offset + 30] ?? 0) ^ 1;
  scratch.objects.set(key, bytes);
  const seen: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of scratch.read()) seen.push(chunk);
  })();
  const message = new RegExp(`${key}.*byte ${offset}\\b`);
  await assert.rejects(reading, { code: "repository-damaged", message });
  assert.deepEqual(seen, chunks.slice(0, 7));
});

test("readStream() refuses a map whose chunks were exchanged, left out or repeated", async () => {
  await using scratch = await storedStream([randomBytes(10), randomBytes(10)]);
  const { map } = scratch;
  const [a, b] = map.chunks;
  assert.ok(a && b);
  for (const chunks of [[b, a], [a], [a, b, b], [{ ...a, id: b.id }, b]]) {
    const reading = Array.fromAsync(scratch.read(scratch.store, { ...map, chunks }));
    await assert.rejects(reading, { code: "repository-damaged" });
  }
  for (const changed of [
    { ...a, offset: b.offset },
    { ...a, bytes: 11 },
    { ...a, stored: 20 },
  ]) {
    const reading = Array.fromAsync(scratch.read(scratch.store, { ...map, chunks: [changed, b] }));
    await assert.rejects(reading, { code: "repository-damaged" });
  }
});

test("readStream() ends at once when it is aborted while the store is silent", async () => {
  await using scratch = await storedStream([randomBytes(10)]);
  const controller = new AbortController();
  const silent: ObjectStore = {
    ...scratch.store,
    async *get(_, options) {
      yield Buffer.alloc(1);
      await new Promise((_, reject) => {
        options.signal.addEventListener("abort", () => reject(options.signal.reason as Error));
      });
    },
  };
  const { map, backup } = scratch;
  const options = { store: silent, epoch: backup.epoch, map, signal: controller.signal };
  setTimeout(() => controller.abort(new Error("enough")), 5);
  await assert.rejects(Array.fromAsync(readStream(options)), /enough/);
});

test("readStream() leaves no fetch behind when its caller stops", async () => {
  const chunks = Array.from({ length: 8 }, () => randomBytes(2 << 20));
  await using scratch = await storedStream(chunks, 32 << 20);
  let open = 0;
  const counting: ObjectStore = {
    ...scratch.store,
    async *get(key, options) {
      open++;
      try {
        for await (const piece of scratch.store.get(key, options)) {
          await new Promise((done) => setImmediate(done));
          yield piece;
        }
      } finally {
        open--;
      }
    },
  };
  for await (const chunk of scratch.read(counting)) {
    assert.equal(chunk.length, 2 << 20);
    break;
  }
  assert.equal(open, 0);
});
