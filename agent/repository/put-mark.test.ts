import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createHookedStore } from "../../integration/fixtures/hooked-store.ts";
import { signal } from "../../integration/fixtures/scratch-repository.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { encodeMark, type Mark, parseMark } from "./mark.ts";
import { foldMarks, type MarkState } from "./mark-state.ts";
import { manifestKey, markKey } from "./object-key.ts";
import { objectExists } from "../store/object-errors.ts";
import { type NewMark, putMark } from "./put-mark.ts";
import { readAllMarks } from "./read-all-marks.ts";
import { readMarks, readMarkState } from "./read-marks.ts";

const id = "20261120T100000Z-k3v9x0ap";
const place = { repository: "0".repeat(32), instance: "7312", id };
const now = new Date("2026-11-20T10:00:00.000Z");

function put(store: ObjectStore, decide: (state: MarkState) => NewMark | undefined, by = "ann") {
  return putMark(store, place, { decide, by, now, signal });
}

const mark = (change: Partial<Mark> = {}): Mark => ({
  format: 1,
  repository: place.repository,
  instance: "7312",
  backup: id,
  number: 1,
  id: "1".repeat(32),
  mark: "hold",
  at: now.toISOString(),
  by: "ann",
  reason: "",
  window: null,
  tag: null,
  ...change,
});

test("putMark() numbers the marks, and foldMarks() says what they mean together", async () => {
  const clock = { now };
  const store = createMemoryStore(new Map(), { now: () => clock.now });
  const marks: NewMark[] = [
    { mark: "delete", reason: "old", window: 3600 },
    { mark: "hold", reason: "case 7" },
    { mark: "tag", reason: "", tag: "v2" },
    { mark: "tag", reason: "", tag: "v3" },
    { mark: "untag", reason: "", tag: "v2" },
  ];
  for (const one of marks) await put(store, () => one);
  const state = await readMarkState(store, place, { signal });
  assert.deepEqual(state, {
    number: 5,
    deleted: { at: now, by: "ann", reason: "old", until: new Date(+now + 3_600_000) },
    held: { at: now, by: "ann", reason: "case 7" },
    removing: undefined,
    tags: ["v3"],
  });
  await put(store, () => ({ mark: "undelete", reason: "" }));
  await put(store, () => ({ mark: "release", reason: "" }));
  const { deleted, held } = await readMarkState(store, place, { signal });
  assert.deepEqual([deleted, held], [undefined, undefined]);
  assert.deepEqual(await put(store, () => undefined), {
    state: await readMarkState(store, place, { signal }),
    put: false,
  });
  // Nobody asks for what is said of a backup that is not there.
  const all = async () => [...(await readAllMarks(store, { ...place, signal })).keys()];
  assert.deepEqual(await all(), []);
  await store.put(manifestKey(place), [], { signal });
  assert.deepEqual(await all(), [`7312/${id}`]);
});

test("foldMarks() counts the window from the later of the two clocks", () => {
  const deleted = mark({ mark: "delete", window: 60 });
  const untilOf = (created: Date | undefined) =>
    foldMarks([{ mark: deleted, created }]).deleted?.until.toISOString();
  assert.equal(untilOf(undefined), "2026-11-20T10:01:00.000Z");
  assert.equal(untilOf(new Date("2026-11-20T09:00:00.000Z")), "2026-11-20T10:01:00.000Z");
  assert.equal(untilOf(new Date("2026-11-21T09:00:00.000Z")), "2026-11-21T09:01:00.000Z");
});

test("of many marks at once each gets a number of its own, and decides on those before it", async () => {
  const store = createMemoryStore();
  const seen: number[] = [];
  const racers = Array.from({ length: 12 }, async (_, n) => {
    let last = -1;
    await put(store, (state) => {
      last = state.number;
      return { mark: "tag", reason: "", tag: `t${n}` };
    });
    seen.push(last);
  });
  await Promise.all(racers);
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    seen.map((_, n) => n),
  );
  assert.equal((await readMarkState(store, place, { signal })).tags.length, 12);
});

test("of a removal and an undeletion at once exactly one happens, whoever is first", async () => {
  for (let delay = 0; delay < 12; delay++) {
    const store = createMemoryStore();
    await put(store, () => ({ mark: "delete", reason: "", window: 0 }));
    let turns = 0;
    const slow = createHookedStore(store, {
      before: async () => {
        while (turns++ < delay) await Promise.resolve();
      },
    });
    const [removed, undeleted] = await Promise.all([
      put(slow, ({ deleted }) => (deleted ? { mark: "remove", reason: "" } : undefined), "prune"),
      put(store, ({ removing }) => (removing ? undefined : { mark: "undelete", reason: "" })),
    ]);
    assert.notEqual(removed.put, undeleted.put);
    const { removing, deleted } = await readMarkState(store, place, { signal });
    assert.equal(removing !== undefined, removed.put);
    assert.equal(deleted === undefined, undeleted.put);
  }
});

test("putMark() knows its own mark when the store's answer to the first try was lost", async () => {
  const store = createMemoryStore();
  // As a store does that puts again by itself: the second answer is what the caller gets.
  const repeating = createHookedStore(store, {
    after: ({ method, key }) => {
      if (method === "put") throw objectExists("memory://", key);
    },
  });
  const { put: done, state } = await put(repeating, () => ({ mark: "hold", reason: "" }));
  assert.deepEqual([done, state.number], [true, 1]);
});

test("parseMark() takes what encodeMark() gives, and nothing else of any kind", () => {
  const good = encodeMark(mark({ mark: "delete", window: 60 }));
  const at = { ...place, number: 1 };
  const key = markKey(place, 1);
  assert.deepEqual(parseMark(good, at, key), mark({ mark: "delete", window: 60 }));
  for (let cut = 0; cut < good.length - 1; cut++)
    assert.throws(() => parseMark(good.subarray(0, cut), at, key), { code: "repository-damaged" });
  const bad: Partial<Record<keyof Mark, unknown>>[] = [
    { mark: "forget" },
    { mark: "hold" },
    { window: null },
    { window: -1 },
    { tag: "x" },
    { backup: "20261120T100000Z-00000000" },
    { instance: "7313" },
    { repository: "2".repeat(32) },
    { number: 2 },
    { at: "yesterday" },
    { by: "\0" },
  ];
  const base = mark({ mark: "delete", window: 60 });
  for (const change of bad) {
    const bytes = Buffer.from(JSON.stringify({ ...base, ...change }));
    const what = JSON.stringify(change);
    assert.throws(() => parseMark(bytes, at, key), { code: "repository-damaged" }, what);
  }
  const later = Buffer.from(JSON.stringify({ ...base, format: 2, more: 1 }));
  assert.throws(() => parseMark(later, at, key), { code: "repository-newer" });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.throws(() => parseMark(Buffer.from(bytes), at, key), { code: "repository-damaged" });
    }),
  );
});

test("readMarks() refuses a gap, a strange name, and what follows a removal", async () => {
  const objects = new Map<string, Uint8Array>();
  const store = createMemoryStore(objects);
  const read = () => readMarks(store, place, { signal });
  const prefix = `~control/marks/7312/${id}/`;
  objects.set(`${prefix}00000001`, encodeMark(mark({ mark: "remove" })));
  assert.equal((await read()).length, 1);
  objects.set(`${prefix}00000002`, encodeMark(mark({ number: 2 })));
  await assert.rejects(read(), { code: "repository-damaged", message: /follows the backup's rem/ });
  objects.delete(`${prefix}00000001`);
  await assert.rejects(read(), { code: "repository-damaged", message: /mark 1 before it is miss/ });
  objects.set(`${prefix}00000001`, encodeMark(mark()));
  assert.equal((await read()).length, 2);
  objects.set(`${prefix}3`, encodeMark(mark({ number: 3 })));
  await assert.rejects(read(), { code: "repository-damaged", message: /name is no mark/ });
});
