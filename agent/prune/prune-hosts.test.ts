import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { forbidden } from "../../integration/fixtures/faulty-store.ts";
import { createHookedStore } from "../../integration/fixtures/hooked-store.ts";
import { signal } from "../../integration/fixtures/scratch-repository.ts";
import { endedKey } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { pruneRepository } from "./prune-repository.ts";
import { day, hour, makePruneScratch, type PruneScratch } from "./prune-scratch.ts";

/** What a host sees that may only create below its own prefix. */
function onlyCreate(store: ObjectStore): ObjectStore {
  return createHookedStore(store, {
    before: ({ method, key }) => {
      if (method !== "put" || key.startsWith("~control/")) throw forbidden(key);
    },
  });
}

async function planOf(of: PruneScratch) {
  const [planned] = await of.prune({ confirm: false });
  assert.equal(planned?.kind, "planned");
  return planned.plan;
}

const stateOf = async (of: PruneScratch, epoch: string) =>
  (await planOf(of)).epochs.find((one) => one.epoch === epoch)?.state;

test("a host that may only create backs up beside prunes, and its intents go", async () => {
  await using of = await makePruneScratch();
  const store = onlyCreate(of.store);
  const headers = [];
  for (let n = 0; n < 12; n++) {
    headers.push(await of.backUp({ store }));
    const [doomed] = headers;
    if (n % 3 === 2 && doomed !== undefined) {
      await of.remove(doomed);
      headers.shift();
    }
    await of.pruneDaily(6);
  }
  await of.pruneDaily(10);
  assert.deepEqual(
    await of.assertWhole(),
    headers.map(({ id }) => id),
  );
  assert.deepEqual(await of.keys("/intents/"), []);
  assert.equal(new Set(headers.map(({ epoch }) => epoch)).size, 2);
  // Nothing unneeded is left but in the current epoch.
  const current = headers.at(-1)?.epoch ?? "";
  const needed = headers.flatMap(({ epoch, packs }) => packs.map(({ pack }) => `${epoch}/${pack}`));
  const stored = (await of.keys("/packs/")).filter((key) => !key.includes(current));
  const kept = new Set(needed.filter((name) => !name.startsWith(current)));
  assert.deepEqual(
    stored.map((key) => key.slice("7312/packs/".length)),
    [...kept].toSorted(),
  );
});

test("an epoch whose host lost its state is closed when it was unchanged for sixty days", async () => {
  await using of = await makePruneScratch();
  const lost = await of.backUp();
  await rm(join(of.scratch.stateDir, "a"), { recursive: true });
  of.pass(hour);
  const next = await of.backUp();
  assert.notEqual(next.signer, lost.signer);
  await of.remove(lost);
  await of.pruneDaily(8);
  assert.deepEqual(await of.assertWhole(), [next.id]);
  // The last change that a prune has seen was before the first one of all.
  await of.pruneDaily(52);
  assert.equal((await stateOf(of, lost.epoch))?.why, "current");
  assert.equal((await of.keys(`/packs/${lost.epoch}/`)).length, lost.packs.length);
  await of.pruneDaily(3);
  assert.deepEqual(await of.keys(`/packs/${lost.epoch}/`), []);
  assert.deepEqual(await of.assertWhole(), [next.id]);
});

test("an epoch without any backup waits for sixty days, or for an operator's word", async () => {
  for (const retire of [false, true]) {
    await using of = await makePruneScratch();
    await of.backUp();
    of.pass(31 * day);
    // Dies with its packs in the store, and not one backup in its epoch.
    const dying = createHookedStore(of.store, {
      before: ({ method, key }) => {
        if (method === "put" && key.includes("/map-")) throw forbidden(key);
      },
    });
    await assert.rejects(of.backUp({ store: dying }), { code: "store-denied" });
    await rm(join(of.scratch.stateDir, "a"), { recursive: true });
    const epoch = (await planOf(of)).epochs.at(-1)?.epoch ?? "";
    const packs = () => of.keys(`/packs/${epoch}/`);
    assert.ok((await packs()).length > 0);
    await of.pruneDaily(2);
    if (retire) {
      await of.prune({ retired: [epoch] });
      of.pass(day);
      await of.prune({ retired: [epoch] });
    } else {
      await of.pruneDaily(58);
      assert.ok((await packs()).length > 0);
      await of.pruneDaily(3);
    }
    assert.deepEqual(await packs(), []);
    assert.equal((await of.assertWhole()).length, 1);
  }
});

test("an epoch in which anything appears is as if it had been seen for the first time", async () => {
  await using of = await makePruneScratch();
  const { epoch } = await of.backUp();
  await of.pruneDaily(9);
  assert.equal((await stateOf(of, epoch))?.why, "current");
  const dying = createHookedStore(of.store, {
    before: ({ method, key }) => {
      if (method === "put" && key.includes("/map-")) throw forbidden(key);
    },
  });
  // New packs, but no backup; then a backup without new packs.
  await assert.rejects(of.backUp({ store: dying }), { code: "store-denied" });
  assert.equal((await stateOf(of, epoch))?.why, "changed");
  await of.pruneDaily(3);
  assert.equal((await stateOf(of, epoch))?.why, "current");
  const until = new Date(+of.clock.now - 2 * day + 60 * day);
  assert.deepEqual(await stateOf(of, epoch), { closed: false, why: "current", until });
  await of.backUp({ streams: [[]] });
  assert.equal((await stateOf(of, epoch))?.why, "changed");
});

test("a copied machine that goes on in an epoch which the original has left finds all in place", async () => {
  await using of = await makePruneScratch();
  const first = await of.backUp();
  of.pass(hour);
  await of.copyHost("a", "b");
  const second = await of.backUp({ host: "a" });
  // The operator's word reaches the original only: the copy may not read.
  await of.store.put(endedKey(first), [], { signal });
  of.pass(hour);
  const third = await of.backUp({ host: "a" });
  assert.notEqual(third.epoch, first.epoch);
  await of.remove(first, { window: 0 });
  await of.remove(second, { window: 0 });
  await of.pruneDaily(9);
  assert.deepEqual(await of.assertWhole(), [third.id]);
  assert.equal((await stateOf(of, first.epoch))?.why, "young");
  const copied = await of.backUp({ host: "b", store: onlyCreate(of.store) });
  assert.equal(copied.epoch, first.epoch);
  assert.ok(copied.packs.some(({ pack }) => first.packs.some((one) => one.pack === pack)));
  await of.pruneDaily(40);
  assert.deepEqual(await of.assertWhole(), [third.id, copied.id]);
});

test("two hosts that count with one key are named, and their epochs wait for sixty days", async () => {
  await using of = await makePruneScratch();
  const first = await of.backUp();
  of.pass(hour);
  await of.copyHost("a", "b");
  const [one, two] = [await of.backUp({ host: "a" }), await of.backUp({ host: "b" })];
  assert.deepEqual([one.sequence, two.sequence], [2, 2]);
  of.pass(32 * day);
  const next = [await of.backUp({ host: "a" }), await of.backUp({ host: "b" })];
  await of.remove(first, { window: 0 });
  await of.remove(one, { window: 0 });
  await of.pruneDaily(20);
  const plan = await planOf(of);
  assert.deepEqual(
    plan.forked.map(({ signer }) => signer),
    [first.signer],
  );
  assert.equal((await stateOf(of, first.epoch))?.why, "forked");
  assert.deepEqual(await of.assertWhole(), [two.id, ...next.map(({ id }) => id).toSorted()]);
  await of.pruneDaily(50);
  assert.deepEqual(await of.assertWhole(), [two.id, ...next.map(({ id }) => id).toSorted()]);
  assert.equal((await of.keys(`/packs/${first.epoch}/`)).length, two.packs.length);
});

test("pruneRepository() leaves an epoch alone in which somebody begins after its plan", async () => {
  await using of = await makePruneScratch();
  const streams = [[randomBytes(900)]];
  const doomed = await of.backUp({ streams });
  of.pass(hour);
  await of.backUp();
  await of.copyHost("a", "b");
  of.pass(32 * day);
  await of.backUp();
  await of.remove(doomed, { window: 0 });
  await of.pruneDaily(2);
  of.pass(day);
  const { store, scratch, clock } = of;
  const now = () => clock.now;
  const how = { store, repository: scratch.repository.id, by: "p", now, confirm: true, signal };
  const events = [];
  for await (const event of pruneRepository(how)) {
    if (event.kind !== "planned") events.push(event);
    else {
      const removed = event.plan.objects.filter(({ decision }) => decision.act === "remove");
      assert.deepEqual(
        removed.map(({ kind, epoch }) => [kind, epoch]),
        [["pack", doomed.epoch]],
      );
      // Its clock stands still, and so it does not know that its epoch is over.
      await of.backUp({ host: "b", streams, at: new Date("2026-11-20T13:00:00.000Z") });
    }
  }
  assert.deepEqual(events, [{ kind: "epoch-in-use", instance: "7312", epoch: doomed.epoch }]);
  await of.pruneDaily(70);
  assert.equal((await of.assertWhole()).length, 3);
});

test("pruneRepository() reads the records of old removals no more, and knows what they said", async () => {
  await using of = await makePruneScratch();
  const first = await of.backUp();
  const old = [];
  for (let n = 0; n < 4; n++) {
    await of.pruneDaily(7);
    old.push(await of.backUp());
  }
  of.pass(4 * day);
  const next = await of.backUp();
  assert.notEqual(next.epoch, first.epoch);
  for (const header of [...old, next]) await of.remove(header, { window: 0 });
  // Weekly prunes: every record of a removal is older than the prune before.
  for (let n = 0; n < 3; n++) {
    of.pass(7 * day);
    await of.prune();
  }
  const read: string[] = [];
  const store = createHookedStore(of.store, {
    before: ({ method, key }) => void (method === "get" && read.push(key)),
  });
  const [planned] = await of.prune({ store, confirm: false });
  assert.equal(planned?.kind, "planned");
  assert.deepEqual(
    read.filter((key) => key.startsWith("~control/removed/")),
    [],
  );
  // The highest number of all is only in such a record: it closes one epoch and keeps the other open.
  const states = planned.plan.epochs.map(({ epoch, state }) => [epoch, state.why]);
  assert.deepEqual(states, [
    [first.epoch, "succeeded"],
    [next.epoch, "current"],
  ]);
  // Without any prune's record, as in a copy, those of the removals say the same.
  for (const key of await of.keys("~control/prunes/")) of.scratch.objects.delete(key);
  await of.pruneDaily(2);
  assert.equal((await stateOf(of, first.epoch))?.why, "succeeded");
  assert.equal((await stateOf(of, next.epoch))?.why, "current");
  assert.deepEqual(await of.assertWhole(), [first.id]);
});

test("pruneRepository() removes the marks of a backup thirty days after it, and keeps the record", async () => {
  await using of = await makePruneScratch();
  const header = await of.backUp();
  await of.remove(header);
  await of.pruneDaily(9);
  assert.equal((await of.keys(`~control/marks/7312/${header.id}/`)).length, 2);
  await of.pruneDaily(27);
  assert.equal((await of.keys(`~control/marks/7312/${header.id}/`)).length, 2);
  await of.pruneDaily(2);
  assert.deepEqual(await of.keys(header.id), [`~control/removed/7312/${header.id}`]);
});

test("a prune of some servers forgets nothing that was seen of the others", async () => {
  await using of = await makePruneScratch();
  const [doomed, other] = [await of.backUp(), await of.backUp({ instance: "7313", host: "b" })];
  of.pass(32 * day);
  const next = [await of.backUp(), await of.backUp({ instance: "7313", host: "b" })];
  await of.remove(doomed, { window: 0 });
  await of.pruneDaily(2);
  // What was seen of 7312 is a day old when it is next looked at.
  for (let n = 0; n < 4; n++) {
    of.pass(6 * hour);
    await of.prune({ only: ["7313"] });
  }
  assert.equal((await of.keys(`/packs/${doomed.epoch}/`)).length, doomed.packs.length);
  await of.prune();
  assert.deepEqual(await of.keys(`/packs/${doomed.epoch}/`), []);
  const left = [next[0], other, next[1]].map((header) => header?.id);
  assert.deepEqual(await of.assertWhole(), left);
});
