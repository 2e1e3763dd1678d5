import assert from "node:assert/strict";
import { test } from "node:test";
import {
  backUp,
  makeScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { keepBackups } from "../../core/retention/keep-backups.ts";
import { listStoredBackups } from "./list-stored-backups.ts";
import { manifestKey } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";

const rows = (text: string) => [[Buffer.from(text.repeat(500))]];

/** The same store with another clock; without one it does not tell when an object was created. */
function withCreated(store: ObjectStore, created: Date | undefined): ObjectStore {
  return {
    ...store,
    async *list(prefix, options) {
      for await (const { key, size } of store.list(prefix, options))
        yield { key, size, ...(created === undefined ? {} : { created }) };
    },
  };
}

test("listStoredBackups() takes a backup's time from the store, not from its host", async () => {
  await using scratch = await makeScratchRepository();
  // The host says that it is 2026; the store knows better.
  const { header } = await backUp(scratch, { streams: rows("a") });
  const created = new Date("2027-03-01T00:00:00.000Z");
  const [found, ...others] = await listStoredBackups(withCreated(scratch.store, created), {
    signal,
  });
  assert.ok(found !== undefined && others.length === 0);
  const { id, instance, database, name, kind, state, committed, finished } = found;
  assert.deepEqual(
    { id, instance, database, name, kind, state, committed, finished },
    {
      id: header.id,
      instance: "7312",
      database: "7312/shop",
      name: "h/shop",
      kind: "logical",
      state: "complete",
      committed: created,
      finished: scratch.now,
    },
  );
  assert.deepEqual([found.verified, found.proved, found.tags], [false, false, []]);
  assert.deepEqual(found.packs, header.packs);
});

test("a backup whose store tells no time is never let go", async () => {
  await using scratch = await makeScratchRepository();
  for (const text of ["a", "b", "c"]) await backUp(scratch, { streams: rows(text) });
  const backups = await listStoredBackups(withCreated(scratch.store, undefined), { signal });
  assert.equal(backups.length, 3);
  const decisions = keepBackups(backups, { keepLast: 1 }, { now: new Date("2030-01-01") });
  for (const { kept, reasons } of decisions)
    assert.deepEqual([kept, reasons], [true, [{ kind: "time-unknown" }]]);
});

test("listStoredBackups() joins what else is known of a backup", async () => {
  await using scratch = await makeScratchRepository();
  const first = await backUp(scratch, { streams: rows("a") });
  await backUp(scratch, { streams: rows("b"), state: "partial" });
  const backups = await listStoredBackups(scratch.store, {
    factsOf: ({ id }) =>
      id === first.header.id
        ? { corrupted: true, hold: "legal case", tags: ["x"] }
        : { proved: true },
    signal,
  });
  const told = backups.map(({ state, hold, tags, proved }) => ({ state, hold, tags, proved }));
  assert.deepEqual(
    told.toSorted((a) => (a.hold === undefined ? 1 : -1)),
    [
      { state: "corrupted", hold: "legal case", tags: ["x"], proved: false },
      { state: "partial", hold: undefined, tags: [], proved: true },
    ],
  );
});

test("a lock and a legal hold in the store keep a backup", async () => {
  await using scratch = await makeScratchRepository();
  const [locked, held] = [
    await backUp(scratch, { streams: rows("a") }),
    await backUp(scratch, { streams: rows("b") }),
  ].map(({ header }) => header.id);
  const until = new Date("2099-01-01T00:00:00.000Z");
  const keyOf = (id = "") => manifestKey({ instance: "7312", id });
  const locks = scratch.store.locks ?? assert.fail("the memory store has locks");
  await locks.retain(keyOf(locked), { mode: "compliance", until }, { signal });
  await locks.setLegalHold(keyOf(held), true, { signal });
  // What else is known takes nothing away from what the store says.
  const factsOf = () => ({ hold: undefined, lockedUntil: undefined });
  const backups = await listStoredBackups(scratch.store, { factsOf, signal });
  const of = (wanted?: string) => backups.find(({ id }) => id === wanted);
  assert.deepEqual([of(locked)?.lockedUntil, of(locked)?.hold], [until, undefined]);
  assert.deepEqual([of(held)?.lockedUntil, of(held)?.hold], [undefined, "legal hold in the store"]);
});

test("a backup that is deleted already stands for nothing", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams: rows("a") });
  await backUp(scratch, { streams: rows("b") });
  const factsOf = ({ id }: { id: string }) => (id === header.id ? undefined : {});
  const backups = await listStoredBackups(scratch.store, { factsOf, signal });
  assert.equal(backups.length, 1);
  assert.notEqual(backups[0]?.id, header.id);
});

test("databases of one name on two servers are judged apart", async () => {
  await using scratch = await makeScratchRepository();
  await backUp(scratch, { streams: rows("a"), instance: "7312" });
  await backUp(scratch, { streams: rows("b"), instance: "7313" });
  const backups = await listStoredBackups(scratch.store, { signal });
  const later = new Date(Date.now() + 9 * 86_400_000);
  const decisions = keepBackups(backups, { keepLast: 1 }, { now: later });
  assert.deepEqual(
    decisions.map(({ kept }) => kept),
    [true, true],
  );
});

test("listStoredBackups() fails on a manifest that it cannot read", async () => {
  await using scratch = await makeScratchRepository();
  for (const text of ["a", "b"]) await backUp(scratch, { streams: rows(text) });
  const [key = ""] = [...scratch.objects.keys()].filter((name) => name.endsWith("/manifest"));
  scratch.objects.set(key, Buffer.from("no manifest"));
  await assert.rejects(listStoredBackups(scratch.store, { signal }), {
    code: "repository-damaged",
  });
});

test("listStoredBackups() keeps no lists of packs for whoever needs none", async () => {
  await using scratch = await makeScratchRepository();
  await backUp(scratch, { streams: rows("packs") });
  const { store } = scratch;
  const [full] = await listStoredBackups(store, { signal });
  const [short] = await listStoredBackups(store, { withPacks: false, signal });
  assert.equal(full?.packs.length, 1);
  assert.deepEqual(short, { ...full, packs: [] });
});
