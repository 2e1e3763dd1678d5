import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createHookedStore } from "../../integration/fixtures/hooked-store.ts";
import {
  backUp,
  makeScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { findBackup } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { manifestKey, packKey } from "../repository/object-key.ts";
import { readMarkState } from "../repository/read-marks.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { deleteBackup, deleteBackups } from "./delete-backup.ts";
import { holdBackup, releaseBackup } from "./hold-backup.ts";
import { undeleteBackup } from "./mark-backup.ts";

const streams = () => [[randomBytes(500)]];
const now = new Date("2026-11-20T10:00:00.000Z");
const marking = (store: ObjectStore) => ({ store, by: "ann", reason: "", now, signal });
const deleting = (store: ObjectStore) => {
  return { ...marking(store), window: 3600, lastOne: false, confirm: true };
};

async function isDeleted({ store }: { store: ObjectStore }, header: BackupHeader) {
  return (await readMarkState(store, header, { signal })).deleted !== undefined;
}

test("deleteBackup() refuses the last good backup of a database, whatever else is there", async () => {
  await using scratch = await makeScratchRepository();
  const { store, objects } = scratch;
  const one = (await backUp(scratch, { streams: streams() })).header;
  await backUp(scratch, { streams: streams(), database: "blog" });
  const partial = (await backUp(scratch, { streams: streams(), state: "partial" })).header;
  const elsewhere = await backUp(scratch, { streams: streams(), instance: "7313" });
  const broken = (await backUp(scratch, { streams: streams() })).header;
  objects.set(manifestKey(broken), Buffer.from("broken"));
  const last = { code: "access-denied", message: /last good one of h\/shop/ };
  await assert.rejects(deleteBackup(one, deleting(store)), last);
  assert.equal((await readMarkState(store, one, { signal })).number, 0, "it was not even marked");
  await assert.rejects(deleteBackup(elsewhere.header, deleting(store)), last);
  await deleteBackup(partial, deleting(store));
  const two = (await backUp(scratch, { streams: streams() })).header;
  await deleteBackup(one, deleting(store));
  await assert.rejects(deleteBackup(two, deleting(store)), last);
  await undeleteBackup(one, marking(store));
  await deleteBackup(two, deleting(store));
  await deleteBackup(one, { ...deleting(store), lastOne: true });
});

test("deleteBackups() deletes all or none, and counts none of them as the one that is left", async () => {
  await using scratch = await makeScratchRepository();
  const { store } = scratch;
  const make = async () => (await backUp(scratch, { streams: streams() })).header;
  const [one, two, three] = [await make(), await make(), await make()];
  const last = { code: "access-denied", message: /last good one of h\/shop/ };
  for (const confirm of [false, true])
    await assert.rejects(deleteBackups([one, two, three], { ...deleting(store), confirm }), last);
  for (const header of [one, two, three]) assert.equal(await isDeleted(scratch, header), false);
  const [first, second] = await deleteBackups([one, two], deleting(store));
  assert.deepEqual([first?.changed, second?.changed], [true, true]);
  assert.deepEqual([await isDeleted(scratch, one), await isDeleted(scratch, two)], [true, true]);
});

/** The store, with something that happens right before the first mark is put. */
function beforeMark(store: ObjectStore, act: () => Promise<unknown>): ObjectStore {
  let done = false;
  return createHookedStore(store, {
    before: async ({ method, key }) => {
      if (done || method !== "put" || !key.startsWith("~control/marks/")) return;
      done = true;
      await act();
    },
  });
}

test("two who delete the last two backups at once leave at least one", async () => {
  await using scratch = await makeScratchRepository();
  const { store } = scratch;
  const a = (await backUp(scratch, { streams: streams() })).header;
  const b = (await backUp(scratch, { streams: streams() })).header;
  const late = beforeMark(store, () => deleteBackup(b, deleting(store)));
  await assert.rejects(deleteBackup(a, deleting(late)), { code: "access-denied" });
  assert.deepEqual([await isDeleted(scratch, a), await isDeleted(scratch, b)], [false, true]);
});

test("deleteBackup() sees a hold that comes while it deletes", async () => {
  await using scratch = await makeScratchRepository();
  const { store } = scratch;
  const a = (await backUp(scratch, { streams: streams() })).header;
  await backUp(scratch, { streams: streams() });
  const late = beforeMark(store, () => holdBackup(a, marking(store)));
  await assert.rejects(deleteBackup(a, deleting(late)), { message: /ann holds it/ });
  assert.equal(await isDeleted(scratch, a), false);
});

test("deleteBackup() changes nothing the second time, and nothing without being confirmed", async () => {
  await using scratch = await makeScratchRepository();
  const { store } = scratch;
  const one = (await backUp(scratch, { streams: streams() })).header;
  await backUp(scratch, { streams: streams() });
  const until = new Date(+now + 3_600_000);
  const dry = await deleteBackup(one, { ...deleting(store), confirm: false });
  assert.deepEqual([dry, await isDeleted(scratch, one)], [{ until, changed: true }, false]);
  const first = await deleteBackup(one, deleting(store));
  assert.equal(first.changed, true);
  assert.deepEqual(await deleteBackup(one, deleting(store)), { ...first, changed: false });
});

test("a deleted backup is not the latest, and cannot be opened unless one asks for deleted ones", async () => {
  await using scratch = await makeScratchRepository();
  const { store } = scratch;
  const old = (await backUp(scratch, { streams: streams() })).header;
  const at = new Date(+scratch.now + 60_000);
  const young = (await backUp(scratch, { streams: streams(), at })).header;
  const find = (name: string, deleted = false) => findBackup(store, name, { deleted, signal });
  assert.deepEqual(await find("latest"), young);
  await deleteBackup(young, deleting(store));
  assert.deepEqual(await find("latest"), old);
  assert.deepEqual(await find("h/shop:latest"), old);
  await assert.rejects(find(young.id), {
    code: "backup-unknown",
    message: /can be undeleted until/,
  });
  assert.deepEqual(await find(young.id, true), young);
  assert.deepEqual(await find("latest", true), young);
  await undeleteBackup(young, marking(store));
  assert.deepEqual(await find("latest"), young);
  // Nobody knows whether it is deleted.
  scratch.objects.set(`~control/marks/7312/${young.id}/00000001`, Buffer.from("x"));
  await assert.rejects(find("latest"), { code: "repository-damaged" });
  assert.deepEqual(await find(young.id, true), young);
});

test("holdBackup() puts all that a restore needs under legal hold; a release spares what others hold", async () => {
  await using scratch = await makeScratchRepository();
  const { store } = scratch;
  const shared = randomBytes(800);
  const [a, b] = [
    (await backUp(scratch, { streams: [[shared], [randomBytes(700)]], packBytes: 900 })).header,
    (await backUp(scratch, { streams: [[shared], [randomBytes(600)]], packBytes: 900 })).header,
  ];
  const heldKeys = async () => {
    const keys = await Array.fromAsync(store.list("", { signal }), ({ key }) => key);
    const { locks } = store;
    assert.ok(locks);
    const held = await Promise.all(keys.map((key) => locks.get(key, { signal })));
    return keys.filter((_, n) => held[n]?.legalHold === true);
  };
  const needs = ({ packs, ...header }: BackupHeader) => [
    `7312/backups/${header.id}/manifest`,
    `7312/backups/${header.id}/map-0`,
    `7312/epochs/${header.epoch}.age`,
    ...packs.map(({ pack }) => packKey(header, pack)),
  ];
  const first = await holdBackup(a, { ...marking(store), reason: "case 7" });
  assert.deepEqual([first.changed, first.objects], [true, needs(a).length]);
  assert.deepEqual(await heldKeys(), needs(a).toSorted());
  assert.equal((await holdBackup(a, marking(store))).changed, false);
  await assert.rejects(store.delete(manifestKey(a), { signal }), { code: "object-locked" });
  await assert.rejects(deleteBackup(a, deleting(store)), { code: "access-denied" });
  await holdBackup(b, marking(store));
  assert.equal((await releaseBackup(a, marking(store))).changed, true);
  assert.deepEqual(await heldKeys(), needs(b).toSorted());
  await releaseBackup(b, marking(store));
  assert.deepEqual(await heldKeys(), []);
});
