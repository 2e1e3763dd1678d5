import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { brokenDisk, createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { createFilesystemStore } from "../store/filesystem/filesystem-store.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { newRandomId } from "./identifier.ts";
import type { WrittenStream } from "./map.ts";
import { streamHash } from "./map-bytes.ts";
import { readStream } from "./read-stream.ts";

const { signal } = new AbortController();
const epoch = {
  repository: newRandomId(),
  instance: "7312",
  epoch: "20261120T101530Z-k3v9x0ap",
  key: new Uint8Array(randomBytes(32)),
};

async function makeScratch(store: ObjectStore = createMemoryStore()) {
  const folder = await makeScratchFolder("chunks");
  const indexPath = join(folder.path, "index.sqlite");
  const open = (options: { store?: ObjectStore; packBytes?: number; signal?: AbortSignal } = {}) =>
    new ChunkWriter({ store, epoch, indexPath, signal, ...options });
  const keys = async () =>
    (await Array.fromAsync(store.list("", { signal }))).map(({ key }) => key);
  const known = () => {
    using index = new ChunkIndex(indexPath);
    return index.packs().map(({ pack }) => pack);
  };
  const dispose = () => folder[Symbol.asyncDispose]();
  return { store, folder, indexPath, open, keys, known, [Symbol.asyncDispose]: dispose };
}

async function write(writer: ChunkWriter, chunks: Uint8Array[]): Promise<WrittenStream> {
  writer.beginStream();
  for (const chunk of chunks) {
    if (writer.full) await writer.drained({ signal });
    writer.add(chunk);
  }
  return writer.endStream();
}

test("ChunkWriter stores a chunk once, within a pack, over packs and over writers", async () => {
  await using scratch = await makeScratch();
  const chunks = [randomBytes(1001), randomBytes(1000), randomBytes(999)];
  await using writer = scratch.open({ packBytes: 1500 });
  const first = await write(writer, [...chunks, ...chunks]);
  const second = await write(writer, chunks);
  assert.deepEqual([first.bytes, first.newBytes, second.newBytes], [6000, 3000, 0]);
  assert.deepEqual([first.newChunks, second.newChunks], [3, 0]);
  assert.deepEqual(second.chunks, first.chunks.slice(3));
  assert.equal(first.hash, streamHash(first.chunks));
  assert.equal((await writer.finish()).packs.length, 2);
  await using other = scratch.open();
  assert.deepEqual({ ...(await write(other, chunks)), newBytes: 0, newChunks: 0 }, second);
  assert.deepEqual(await other.finish(), { packs: [] });
});

test("ChunkWriter has taken a chunk when add() returns", async () => {
  await using scratch = await makeScratch();
  await using writer = scratch.open();
  const memory = Buffer.alloc(100, "a");
  writer.beginStream();
  writer.add(memory);
  memory.fill("b");
  writer.add(memory);
  const map = writer.endStream();
  memory.fill("c");
  await writer.finish();
  const read = await Array.fromAsync(
    readStream({ store: scratch.store, epoch, map, signal }),
    (chunk) => Buffer.from(chunk),
  );
  assert.deepEqual(Buffer.concat(read), Buffer.from("a".repeat(100) + "b".repeat(100)));
});

test("ChunkWriter knows a chunk only when the store has confirmed its pack", async () => {
  await using scratch = await makeScratch();
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow: ObjectStore = {
    ...scratch.store,
    put: async (key, body, options) => {
      const info = await scratch.store.put(key, body, options);
      await promise;
      return info;
    },
  };
  await using writer = scratch.open({ store: slow, packBytes: 500 });
  await write(writer, [randomBytes(1000)]);
  while ((await scratch.keys()).length === 0) await new Promise((done) => setImmediate(done));
  assert.deepEqual(scratch.known(), []);
  resolve();
  const { packs } = await writer.finish();
  assert.deepEqual(
    scratch.known(),
    packs.map(({ pack }) => pack),
  );
});

test("ChunkWriter is full while the store does not take bytes, and drained when it does", async () => {
  await using scratch = await makeScratch();
  const { promise, resolve } = Promise.withResolvers<void>();
  const silent: ObjectStore = {
    ...scratch.store,
    put: async (key, body, options) => (await promise, scratch.store.put(key, body, options)),
  };
  await using writer = scratch.open({ store: silent });
  writer.beginStream();
  let waiting = 0;
  for (; !writer.full; waiting += 1 << 20) writer.add(randomBytes(1 << 20));
  assert.ok(waiting <= 5 << 20, `${waiting}`);
  const gone = AbortSignal.timeout(20);
  await assert.rejects(writer.drained({ signal: gone }), { name: "TimeoutError" });
  resolve();
  await writer.drained({ signal });
  assert.ok(!writer.full);
  writer.endStream();
  await writer.finish();
});

test("ChunkWriter fails for good when the store fails, and never in silence", async () => {
  await using scratch = await makeScratch();
  const store = createFaultyStore(scratch.store, ({ key }) => {
    throw brokenDisk(key);
  });
  await using writer = scratch.open({ store, packBytes: 1 });
  await write(writer, [randomBytes(10)]);
  await assert.rejects(writer.finish(), { code: "store-io" });
  assert.throws(() => writer.add(randomBytes(10)), { code: "store-io" });
  await assert.rejects(writer.drained({ signal }), { code: "store-io" });
  await assert.rejects(writer.finish(), { code: "store-io" });
  assert.deepEqual([await scratch.keys(), scratch.known()], [[], []]);
});

test("ChunkWriter does not trust a store that kept another size", async () => {
  await using scratch = await makeScratch();
  const store: ObjectStore = {
    ...scratch.store,
    put: async (key, body, options) => {
      const { size } = await scratch.store.put(key, body, options);
      return { key, size: size - 1 };
    },
  };
  await using writer = scratch.open({ store });
  await write(writer, [randomBytes(10)]);
  await assert.rejects(writer.finish(), { code: "store-io" });
  assert.deepEqual(scratch.known(), []);
});

test("ChunkWriter leaves nothing half when it is aborted or closed before its end", async () => {
  await using folder = await makeScratchFolder("store");
  await using scratch = await makeScratch(createFilesystemStore(folder.path));
  const controller = new AbortController();
  await using aborted = scratch.open({ signal: controller.signal });
  await write(aborted, [randomBytes(1 << 20)]);
  controller.abort(new Error("enough"));
  assert.throws(() => aborted.add(randomBytes(10)), /enough/);
  await assert.rejects(aborted.finish(), /enough/);
  {
    await using closed = scratch.open();
    await write(closed, [randomBytes(1 << 20)]);
  }
  assert.deepEqual([await scratch.keys(), scratch.known()], [[], []]);
});

test("ChunkWriter refuses to be misused", async () => {
  await using scratch = await makeScratch();
  await using writer = scratch.open();
  assert.throws(() => writer.add(randomBytes(1)), { code: "internal-bug" });
  assert.throws(() => writer.endStream(), { code: "internal-bug" });
  writer.beginStream();
  assert.throws(() => writer.add(new Uint8Array(0)), { code: "internal-bug" });
  assert.throws(() => writer.add(new Uint8Array((4 << 20) + 1)), { code: "internal-bug" });
});

test("ChunkWriter of each of several threads sees what the others have stored", async () => {
  await using folder = await makeScratchFolder("store");
  await using scratch = await makeScratch(createFilesystemStore(folder.path));
  const seeds = Array.from({ length: 40 }, (_, n) => n);
  const { indexPath } = scratch;
  const data = { root: folder.path, epoch, indexPath, seeds };
  const script = `
    import { parentPort, workerData } from "node:worker_threads";
    const [{ ChunkWriter }, { createFilesystemStore }] = await Promise.all([
      import(${JSON.stringify(import.meta.resolve("./chunk-writer.ts"))}),
      import(${JSON.stringify(import.meta.resolve("../store/filesystem/filesystem-store.ts"))}),
    ]);
    const { root, epoch, indexPath, seeds } = workerData;
    const { signal } = new AbortController();
    const store = createFilesystemStore(root);
    await using writer = new ChunkWriter({ store, epoch, indexPath, signal, packBytes: 400 });
    writer.beginStream();
    for (const seed of seeds) writer.add(new Uint8Array(300).fill(seed));
    const map = writer.endStream();
    await writer.finish();
    parentPort.postMessage(map);`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
  const run = async () => {
    const worker = new Worker(url, { workerData: data });
    const { promise, resolve, reject } = Promise.withResolvers<WrittenStream>();
    worker.on("message", resolve);
    worker.on("error", reject);
    return await promise;
  };
  const maps = await Promise.all([run(), run(), run()]);
  for (const map of maps) {
    const read = await Array.fromAsync(
      readStream({ store: scratch.store, epoch, map, signal }),
      (chunk) => Buffer.from(chunk),
    );
    assert.deepEqual(
      read.map((chunk) => chunk[0]),
      seeds,
    );
  }
  assert.equal((await run()).newBytes, 0);
});
