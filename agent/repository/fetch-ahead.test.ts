import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { fetchAhead, joinNeighbours } from "./fetch-ahead.ts";
import type { ChunkRef } from "./map.ts";

const epoch = { repository: "r", instance: "i", epoch: "e", key: new Uint8Array(32) };
const { signal } = new AbortController();

function ref(pack: string, offset: number, stored: number): ChunkRef {
  return { pack, offset, stored, bytes: 1, id: "" };
}

/** A store whose every object is as long as one wants, full of its offset, and slow to answer. */
function slowStore(latencyMs: number) {
  const seen = { gets: 0, open: 0, most: 0, bytes: 0, mostBytes: 0 };
  const store: ObjectStore = {
    ...createMemoryStore(),
    async *get(_, { range, signal: stop }) {
      const { offset, length } = range ?? { offset: 0, length: 0 };
      seen.gets++;
      seen.most = Math.max(seen.most, ++seen.open);
      seen.mostBytes = Math.max(seen.mostBytes, (seen.bytes += length));
      try {
        await sleep(latencyMs, undefined, { signal: stop });
        yield Buffer.alloc(length, offset % 251);
      } finally {
        seen.open--;
        seen.bytes -= length;
      }
    },
  };
  return { store, seen };
}

const runsOf = (count: number, stored: number) =>
  Array.from({ length: count }, (_, n) => [ref("a", n * 2 * stored, stored)]);

test("fetchAhead() fetches eight runs at once and gives them in their order", async () => {
  const { store, seen } = slowStore(20);
  const runs = runsOf(80, 1000);
  const startedAt = performance.now();
  const taken: ChunkRef[][] = [];
  for await (const { run, bytes } of fetchAhead({ store, epoch, signal }, runs)) {
    assert.equal((await bytes)[0], (run[0]?.offset ?? 0) % 251);
    taken.push(run);
  }
  const tookMs = performance.now() - startedAt;
  assert.deepEqual(taken, runs);
  assert.equal(seen.most, 8);
  // One after the other they take 1,600 ms; eight at once 200 ms.
  assert.ok(tookMs < 600, `${tookMs} ms`);
});

test("fetchAhead() holds 8 MiB at most, or one run that is larger", async () => {
  const { store, seen } = slowStore(2);
  const sizes = [3 << 20, 3 << 20, 3 << 20, 3 << 20, 20 << 20, 1000, 8 << 20, 1000];
  const runs = sizes.map((stored, n) => [ref(`p${n}`, 8, stored)]);
  for await (const { run, bytes } of fetchAhead({ store, epoch, signal }, runs))
    assert.equal((await bytes).length, run[0]?.stored);
  assert.equal(seen.gets, sizes.length);
  assert.equal(seen.mostBytes, 20 << 20);
  const { store: other, seen: small } = slowStore(2);
  for await (const { bytes } of fetchAhead({ store: other, epoch, signal }, runsOf(20, 3 << 20)))
    await bytes;
  assert.equal(small.mostBytes, 6 << 20);
});

test("fetchAhead() fails the run that cannot be had, and no other", async () => {
  const { store } = slowStore(1);
  const runs = runsOf(10, 1000);
  const get: ObjectStore["get"] = (key, options) => {
    if (options.range?.offset === 6000) throw new Error("disk on fire");
    return store.get(key, options);
  };
  const outcomes: string[] = [];
  for await (const { bytes } of fetchAhead({ store: { ...store, get }, epoch, signal }, runs))
    outcomes.push(await bytes.then(() => "ok", String));
  assert.deepEqual(
    outcomes,
    runs.map(([first]) => (first?.offset === 6000 ? "Error: disk on fire" : "ok")),
  );
});

test("fetchAhead() ends all that is under way when it is aborted, or its caller stops", async () => {
  const { store, seen } = slowStore(60_000);
  const controller = new AbortController();
  const source = { store, epoch, signal: controller.signal };
  setTimeout(() => controller.abort(new Error("enough")), 5);
  const reading = (async () => {
    for await (const { bytes } of fetchAhead(source, runsOf(10, 1000))) await bytes;
  })();
  await assert.rejects(reading, { name: "AbortError" });
  assert.equal(seen.open, 0);
  for await (const { run, bytes } of fetchAhead({ store, epoch, signal }, runsOf(10, 1000))) {
    bytes.catch(() => {});
    assert.equal(run.length, 1);
    assert.equal(seen.open, 8);
    break;
  }
  assert.equal(seen.open, 0);
});

test("joinNeighbours() joins what lies one behind the other, but no 5 MiB", () => {
  const ref = (pack: string, offset: number, stored: number) => {
    return { pack, offset, stored, bytes: 1, id: "" };
  };
  const runs = joinNeighbours([
    ref("a", 8, 10),
    ref("a", 18, 1 << 20),
    ref("a", 18 + (1 << 20), 4 << 20),
    ref("a", 8, 10),
    ref("b", 18, 10),
    ref("b", 29, 10),
  ]);
  assert.deepEqual(
    [...runs].map((run) => run.length),
    [2, 1, 1, 1, 1],
  );
});
