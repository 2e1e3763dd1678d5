import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import type { ObjectStore } from "./object-store.ts";

const { signal } = new AbortController();

/** The promises of `ObjectStore` as tests. `open` gives an empty store. */
export function describeObjectStore(name: string, open: Open): void {
  describe(`${name} keeps the ObjectStore contract`, () => {
    describePut(open);
    describePutThatFails(open);
    describeLargeObjects(open);
    describeGet(open);
    describeList(open);
    describeManyObjects(open);
    describeSilence(open);
    describeLocks(open);
  });
}

/** The promises of `ObjectLocks` alone, for a store whose other promises were tested without locks. */
export function describeObjectLocks(name: string, open: Open): void {
  describe(`${name} keeps what is locked`, () => describeLocks(open));
}

type Open = () => Promise<ScratchStore>;

interface ScratchStore extends AsyncDisposable {
  store: ObjectStore;
  /** For a store behind a network: from now on the other side takes requests and says nothing. */
  silence?: () => void;
}

function describePut(open: Open): void {
  test("put() keeps every byte, whatever the pieces", async () => {
    await using scratch = await open();
    const pieces = [Buffer.alloc(0), Buffer.from("ab"), Buffer.alloc(3_000_000, 7)];
    const put = await scratch.store.put("a/b", pieces, { signal });
    assert.deepEqual([put.key, put.size], ["a/b", 3_000_002]);
    const head = await scratch.store.head("a/b", { signal });
    assert.deepEqual([head?.key, head?.size], ["a/b", 3_000_002]);
    assert.ok(Math.abs(Number(head?.created) - Date.now()) < 300_000, String(head?.created));
    assert.ok((await bytesOf(scratch.store, "a/b")).equals(Buffer.concat(pieces)));
  });

  test("put() keeps an empty object", async () => {
    await using scratch = await open();
    await scratch.store.put("empty", [], { signal });
    assert.equal((await scratch.store.head("empty", { signal }))?.size, 0);
    assert.equal((await bytesOf(scratch.store, "empty")).length, 0);
  });

  test("put() never replaces an object", async () => {
    await using scratch = await open();
    await scratch.store.put("a", [Buffer.from("first")], { signal });
    const second = scratch.store.put("a", [Buffer.from("second")], { signal });
    await assert.rejects(second, { code: "object-exists" });
    assert.equal((await bytesOf(scratch.store, "a")).toString(), "first");
  });

  test("put() has one winner of many racing ones", async () => {
    await using scratch = await open();
    const race = Array.from({ length: 8 }, (_, n) =>
      scratch.store.put("a/b/c", slowly(`${n}`), { signal }).then(() => `${n}`),
    );
    const ends = await Promise.allSettled(race);
    const won = ends.filter((end) => end.status === "fulfilled");
    assert.equal(won.length, 1);
    for (const end of ends)
      if (end.status === "rejected") assert.equal(end.reason.code, "object-exists");
    assert.equal((await bytesOf(scratch.store, "a/b/c")).toString(), won[0]?.value);
  });

  test("put() refuses keys that lead elsewhere", async () => {
    await using scratch = await open();
    for (const key of ["", "/a", "a/", "a//b", "../a", "a/../../b", ".a", "a/.b", "a\0b", "a\\b"])
      await assert.rejects(async () => scratch.store.put(key, [], { signal }), {
        code: "internal-bug",
      });
  });
}

function describePutThatFails(open: Open): void {
  test("put() leaves no object behind when its body fails", async () => {
    await using scratch = await open();
    const body = (async function* () {
      yield Buffer.from("half");
      await turn();
      throw new Error("disk on fire");
    })();
    await assert.rejects(scratch.store.put("a/b", body, { signal }), /disk on fire/);
    await assertEmpty(scratch.store);
  });

  test("put() ends at once when it is aborted while its body is silent", async () => {
    await using scratch = await open();
    const controller = new AbortController();
    const body = (async function* () {
      yield Buffer.from("half");
      setTimeout(() => controller.abort(new Error("enough")), 5);
      await new Promise(() => {});
    })();
    const put = scratch.store.put("a/b", body, { signal: controller.signal });
    await assert.rejects(put, /enough/);
    await assertEmpty(scratch.store);
  });

  test("put() commits nothing when it is aborted in the last piece", async () => {
    await using scratch = await open();
    const controller = new AbortController();
    const body = (async function* () {
      yield Buffer.from("all");
      controller.abort(new Error("enough"));
    })();
    const put = scratch.store.put("a/b", body, { signal: controller.signal });
    await assert.rejects(put, /enough/);
    await assertEmpty(scratch.store);
  });

  test("every method rejects with the reason of an aborted signal", async () => {
    await using scratch = await open();
    const gone = { signal: AbortSignal.abort(new Error("enough")) };
    const { store } = scratch;
    await store.put("a", [], { signal });
    await assert.rejects(store.put("b", [], gone), /enough/);
    await assert.rejects(Array.fromAsync(store.get("a", gone)), /enough/);
    await assert.rejects(store.head("a", gone), /enough/);
    await assert.rejects(Array.fromAsync(store.list("", gone)), /enough/);
    await assert.rejects(Array.fromAsync(store.listFolders("", gone)), /enough/);
    await assert.rejects(store.delete("a", gone), /enough/);
    assert.deepEqual(await keysOf(store), ["a"]);
  });
}

function describeLargeObjects(open: Open): void {
  test("put() of some MiB has one winner of racing ones, whole", async () => {
    await using scratch = await open();
    const bodies = [1, 2, 3, 4].map((seed) => noise(seed, 3 << 20));
    const race = bodies.map((body) => scratch.store.put("a", [body], { signal }).then(() => body));
    const won = (await Promise.allSettled(race)).filter(({ status }) => status === "fulfilled");
    assert.equal(won.length, 1);
    const [winner] = won as PromiseFulfilledResult<Buffer>[];
    assert.ok((await bytesOf(scratch.store, "a")).equals(winner?.value ?? Buffer.alloc(0)));
  });

  test("put() of more than fits one request keeps every byte, once", async () => {
    await using scratch = await open();
    const { store } = scratch;
    const bytes = noise(5, largeBytes(store));
    await store.put("a/large", inPieces(bytes), { bulk: true, signal });
    assert.equal((await store.head("a/large", { signal }))?.size, bytes.length);
    assert.equal(sha256(await bytesOf(store, "a/large")), sha256(bytes));
    const reads = Array.from({ length: 6 }, async (_, n) => {
      const range = { offset: n * 1_000_001, length: (bytes.length >> 1) + n };
      const part = bytes.subarray(range.offset, range.offset + range.length);
      assert.ok((await bytesOf(store, "a/large", range)).equals(part), `${n}`);
    });
    await Promise.all(reads);
    const again = store.put("a/large", inPieces(noise(6, bytes.length)), { bulk: true, signal });
    await assert.rejects(again, { code: "object-exists" });
    assert.equal(sha256(await bytesOf(store, "a/large")), sha256(bytes));
    await store.delete("a/large", { signal });
    await assertEmpty(store);
  });

  test("put() of more than fits one request leaves nothing when its body fails", async () => {
    await using scratch = await open();
    const { store } = scratch;
    const body = (async function* () {
      yield* inPieces(noise(7, largeBytes(store)));
      throw new Error("disk on fire");
    })();
    await assert.rejects(store.put("a/large", body, { signal }), /disk on fire/);
    await assertEmpty(store);
    await store.put("a/large", [Buffer.from("x")], { signal });
  });
}

function describeManyObjects(open: Open): void {
  test("list() and listFolders() give all of more than 1000", async () => {
    await using scratch = await open();
    const { store } = scratch;
    const names = Array.from({ length: 1100 }, (_, n) => `${n}`.padStart(4, "0"));
    const left = [...names];
    const worker = async () => {
      for (let name = left.pop(); name !== undefined; name = left.pop())
        await store.put(`n/${name}/x`, [], { signal });
    };
    await Promise.all(Array.from({ length: 24 }, worker));
    assert.deepEqual(
      await keysOf(store, "n/"),
      names.map((name) => `n/${name}/x`),
    );
    assert.deepEqual(await Array.fromAsync(store.listFolders("n/", { signal })), names);
  });

  test("list() shows what was there before, while others write", async () => {
    await using scratch = await open();
    const { store } = scratch;
    const old = Array.from({ length: 10 }, (_, n) => `d/${n}`);
    for (const key of old) await store.put(key, [], { signal });
    const writing = Array.from({ length: 4 }, async (_, w) => {
      for (let n = 0; n < 10; n++) await store.put(`d/${n}-${w}`, slowly("new"), { signal });
    });
    let written = false;
    const all = Promise.all(writing).then(() => (written = true));
    do {
      const keys = await keysOf(store, "d/");
      assert.deepEqual(keys, [...new Set(keys)].toSorted());
      assert.deepEqual(
        keys.filter((key) => !key.includes("-")),
        old,
      );
      await turn();
    } while (!written);
    await all;
    assert.equal((await keysOf(store, "d/")).length, 50);
  });
}

function describeSilence(open: Open): void {
  const methods: Record<string, (store: ObjectStore, signal: AbortSignal) => Promise<unknown>> = {
    put: (store, signal) => store.put("b", [Buffer.alloc(100_000)], { signal }),
    "large put": (store, signal) =>
      store.put("b", inPieces(noise(8, largeBytes(store))), { signal }),
    get: (store, signal) => Array.fromAsync(store.get("a", { signal })),
    "get of a range": (store, signal) =>
      Array.fromAsync(store.get("a", { range: { offset: 1, length: 1 }, signal })),
    head: (store, signal) => store.head("a", { signal }),
    list: (store, signal) => Array.fromAsync(store.list("", { signal })),
    listFolders: (store, signal) => Array.fromAsync(store.listFolders("", { signal })),
    delete: (store, signal) => store.delete("a", { signal }),
  };

  test("every method ends within a second of its cancelling while the other side is silent", async () => {
    await using scratch = await open();
    if (scratch.silence === undefined) return;
    await scratch.store.put("a", [Buffer.from("abc")], { signal });
    scratch.silence();
    const calls = Object.entries(methods).map(async ([name, call]) => {
      const cancel = new AbortController();
      let cancelledAt = Infinity;
      setTimeout(() => {
        cancelledAt = performance.now();
        cancel.abort(new Error("enough"));
      }, 300);
      await assert.rejects(call(scratch.store, cancel.signal), /enough/, name);
      const tookMs = performance.now() - cancelledAt;
      assert.ok(tookMs >= 0 && tookMs < 1000, `${name} took ${tookMs} ms`);
    });
    await Promise.all(calls);
  });
}

function describeGet(open: Open): void {
  test("get() gives pieces that are the caller's own", async () => {
    await using scratch = await open();
    const bytes = Buffer.alloc(3_000_000, 7);
    await scratch.store.put("a", [bytes], { signal });
    for await (const piece of scratch.store.get("a", { signal })) piece.fill(0);
    assert.ok((await bytesOf(scratch.store, "a")).equals(bytes));
  });

  test("get() gives exactly the range", async () => {
    await using scratch = await open();
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, n) => n % 251));
    await scratch.store.put("a", [bytes], { signal });
    for (const [offset, length] of [
      [0, 200_000],
      [0, 1],
      [199_999, 1],
      [70_000, 130_000],
      [5, 0],
    ] as const) {
      const part = await bytesOf(scratch.store, "a", { offset, length });
      assert.ok(part.equals(bytes.subarray(offset, offset + length)), `${offset}+${length}`);
    }
  });

  test("get() past the end is damage, and of no object object-missing", async () => {
    await using scratch = await open();
    await scratch.store.put("a", [Buffer.from("abc")], { signal });
    const past = bytesOf(scratch.store, "a", { offset: 2, length: 2 });
    await assert.rejects(past, { code: "repository-damaged", message: /\ba\b/ });
    for (const key of ["b", "a/b", "b/c"]) {
      await assert.rejects(bytesOf(scratch.store, key), { code: "object-missing" });
      assert.equal(await scratch.store.head(key, { signal }), undefined);
    }
  });

  test("delete() removes the object, and is content when there is none", async () => {
    await using scratch = await open();
    await scratch.store.put("a/b", [], { signal });
    await scratch.store.delete("a/b", { signal });
    await scratch.store.delete("a/b", { signal });
    await assertEmpty(scratch.store);
  });
}

function describeList(open: Open): void {
  test("list() gives keys and sizes in byte order, below the prefix only", async () => {
    await using scratch = await open();
    const keys = ["a/b", "a-b", "a", "a/a/z", "B", "ab", "a0", "_", "a/b.c"];
    const { store } = scratch;
    await assertEmpty(store);
    // A file store cannot hold both `a` and `a/b`.
    const [first, ...others] = keys.filter((key) => key !== "a");
    await store.put(first ?? "", [Buffer.from("xyz")], { signal });
    for (const key of others) await store.put(key, [], { signal });
    assert.deepEqual(await keysOf(store), ["B", "_", "a-b", "a/a/z", "a/b", "a/b.c", "a0", "ab"]);
    assert.deepEqual(await keysOf(store, "a/"), ["a/a/z", "a/b", "a/b.c"]);
    assert.deepEqual(await keysOf(store, "a/b"), ["a/b", "a/b.c"]);
    assert.deepEqual(await keysOf(store, "a/a/zz"), []);
    const sizes = await Array.fromAsync(store.list("a/b", { signal }));
    assert.deepEqual(
      sizes.map(({ key, size, created }) => [key, size, created instanceof Date]),
      [
        ["a/b", 3, true],
        ["a/b.c", 0, true],
      ],
    );
  });

  test("listFolders() gives each name below the prefix once, in the order of keys", async () => {
    await using scratch = await open();
    const { store } = scratch;
    for (const key of ["a/b/1", "a/b/2", "a/c", "a-b/x", "B/y", "z"])
      await store.put(key, [], { signal });
    const foldersOf = (prefix: string) => Array.fromAsync(store.listFolders(prefix, { signal }));
    assert.deepEqual(await foldersOf(""), ["B", "a-b", "a"]);
    assert.deepEqual(await foldersOf("a/"), ["b"]);
    assert.deepEqual(await foldersOf("none/"), []);
    await store.delete("a/b/1", { signal });
    await store.delete("a/b/2", { signal });
    assert.deepEqual(await foldersOf("a/"), []);
  });

  test("list() copes with objects that come and go meanwhile", async () => {
    await using scratch = await open();
    const { store } = scratch;
    for (let n = 0; n < 10; n++) await store.put(`d/${n}`, [], { signal });
    const seen: string[] = [];
    for await (const { key } of store.list("d/", { signal })) {
      seen.push(key);
      if (key !== "d/3") continue;
      await store.delete("d/7", { signal });
      await store.put("d/5b", [], { signal });
    }
    const certain = seen.filter((key) => key !== "d/7" && key !== "d/5b");
    assert.deepEqual(
      certain,
      [0, 1, 2, 3, 4, 5, 6, 8, 9].map((n) => `d/${n}`),
    );
  });

  test("list() shows no object that is still being put", async () => {
    await using scratch = await open();
    const { promise, resolve } = Promise.withResolvers<void>();
    const body = (async function* () {
      yield Buffer.from("half");
      await promise;
    })();
    const put = scratch.store.put("a", body, { signal });
    for (let n = 0; n < 20; n++) await turn();
    await assertEmpty(scratch.store);
    assert.equal(await scratch.store.head("a", { signal }), undefined);
    resolve();
    await put;
    assert.deepEqual(await keysOf(scratch.store), ["a"]);
  });
}

function describeLocks(open: Open): void {
  test("a store that says it has locks keeps what is locked", async () => {
    await using scratch = await open();
    const { store } = scratch;
    assert.equal(store.locks !== undefined, store.can.objectLock || store.can.legalHold);
    if (!store.can.objectLock) return;
    await store.put("a", [Buffer.from("x")], { signal });
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000);
    await store.locks?.retain("a", { mode: "compliance", until }, { signal });
    assert.deepEqual((await store.locks?.get("a", { signal }))?.retain?.until, until);
    await assert.rejects(store.delete("a", { signal }), { code: "object-locked" });
    const longer = { mode: "compliance", until: new Date(+until + 1000) } as const;
    await store.locks?.retain("a", longer, { signal });
    const shorter = { mode: "compliance", until: new Date(+until - 1000) } as const;
    await assert.rejects(async () => store.locks?.retain("a", shorter, { signal }), {
      code: "object-locked",
    });
    assert.equal((await bytesOf(store, "a")).toString(), "x");
    await sleep(+longer.until - Date.now() + 1000);
    await store.delete("a", { signal });
    await assertEmpty(store);
  });

  test("a store that says it has holds keeps what is held, until it is released", async () => {
    await using scratch = await open();
    const { store } = scratch;
    if (!store.can.legalHold) return;
    await store.put("a", [], { signal });
    await store.locks?.setLegalHold("a", true, { signal });
    assert.equal((await store.locks?.get("a", { signal }))?.legalHold, true);
    await assert.rejects(store.delete("a", { signal }), { code: "object-locked" });
    await store.locks?.setLegalHold("a", false, { signal });
    await store.delete("a", { signal });
    await assertEmpty(store);
  });
}

/** More than the store takes in one request, where it has such a limit. */
function largeBytes({ can }: ObjectStore): number {
  return Math.min(can.createOnlyBytes, 64 << 20) + (9 << 20);
}

/** Bytes that look random, the same ones for the same seed. */
function noise(seed: number, length: number): Buffer {
  const block = createHash("shake256", { outputLength: 1 << 20 })
    .update(`${seed}`)
    .digest();
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += block.length + 1) {
    block.copy(bytes, at);
    bytes[at + block.length] = at >> 20;
  }
  return bytes;
}

function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 700_001) yield bytes.subarray(at, at + 700_001);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function* slowly(text: string) {
  await turn();
  yield Buffer.from(text);
  await turn();
}

async function assertEmpty(store: ObjectStore): Promise<void> {
  assert.deepEqual(await keysOf(store), []);
}

async function keysOf(store: ObjectStore, prefix = ""): Promise<string[]> {
  const infos = await Array.fromAsync(store.list(prefix, { signal }));
  return infos.map(({ key }) => key);
}

async function bytesOf(
  store: ObjectStore,
  key: string,
  range?: { offset: number; length: number },
): Promise<Buffer> {
  const options = range === undefined ? { signal } : { range, signal };
  return Buffer.concat(await Array.fromAsync(store.get(key, options)));
}
