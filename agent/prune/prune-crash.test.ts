import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { brokenDisk } from "../../integration/fixtures/faulty-store.ts";
import { createHookedStore, type StoreCall } from "../../integration/fixtures/hooked-store.ts";
import { signal } from "../../integration/fixtures/scratch-repository.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { day, doneBy, hour, makePruneScratch, type PruneScratch } from "./prune-scratch.ts";
import { pruneRepository } from "./prune-repository.ts";

/** Much to remove of every kind: two backups, packs of an epoch that ended, what a crash has left. */
async function makeRubbish(of: PruneScratch) {
  const [a, b] = [await of.backUp(), await of.backUp({ at: new Date(+of.clock.now + hour) })];
  const kept = await of.backUp({ at: new Date(+of.clock.now + 2 * hour) });
  await leaveHalf(of);
  of.pass(35 * day);
  const next = await of.backUp();
  await of.pruneDaily(2);
  await of.remove(a, { window: 0 });
  await of.remove(b, { window: 0 });
  of.pass(day);
  return { kept, next };
}

/** A backup whose host dies before it can say so. */
async function leaveHalf(of: PruneScratch): Promise<void> {
  let dead = false;
  const dying = createHookedStore(of.store, {
    before: ({ key }) => {
      dead ||= key.endsWith("/manifest");
      if (dead) throw brokenDisk(key);
    },
  });
  await assert.rejects(of.backUp({ store: dying }), { code: "store-io" });
}

/** The same objects in a store of its own, with a clock of its own. */
function copyOf({ scratch, clock }: PruneScratch) {
  const here = { now: clock.now };
  const store = createMemoryStore(new Map(scratch.objects), { now: () => here.now });
  const prune = (through = store) =>
    Array.fromAsync(
      pruneRepository({
        store: through,
        repository: scratch.repository.id,
        by: "pruner",
        now: () => here.now,
        confirm: true,
        signal,
      }),
    );
  const pruneTwice = async (through: ObjectStore) => {
    for (let n = 0; n < 2; n++) {
      here.now = new Date(+here.now + 25 * hour);
      await prune(through);
    }
  };
  const keysOf = () => Array.fromAsync(store.list("", { signal }), ({ key }) => key);
  /** Prunes until nothing is left to do; the keys that remain. */
  const finish = async () => {
    for (let n = 0; n < 2; n++) await pruneTwice(store);
    return (await keysOf()).filter((key) => !key.startsWith("~control/prunes/"));
  };
  return { store, pruneTwice, finish, keys: keysOf };
}

test("pruneRepository() that is cut at any call of the store, before or after, is finished by the next", async () => {
  await using of = await makePruneScratch();
  const { kept, next } = await makeRubbish(of);
  const clean = await copyOf(of).finish();
  let calls = 0;
  const counted = copyOf(of);
  await counted.pruneTwice(createHookedStore(counted.store, { before: () => void calls++ }));
  assert.ok(calls > 50, `${calls} calls`);
  for (const when of ["before", "after"] as const)
    for (let n = 0; n < calls; n++) {
      const copy = copyOf(of);
      const fail = (call: StoreCall) => {
        if (call.n === n) throw brokenDisk(call.key);
      };
      const cut = copy.pruneTwice(createHookedStore(copy.store, { [when]: fail }));
      await assert.rejects(cut, { code: "store-io" });
      const keys = new Set(await copy.keys());
      for (const key of keys)
        if (key.endsWith("/manifest")) assert.ok(keys.has(key.replace("/manifest", "/map-0")), key);
      assert.deepEqual(await copy.finish(), clean, `${when} call ${n}`);
    }
  // What is left is whole; each cut copy came to the same.
  await of.pruneDaily(3);
  assert.deepEqual(await of.assertWhole(), [kept.id, next.id]);
});

test("pruneRepository() between any two calls of a running backup takes nothing from it", async () => {
  await using of = await makePruneScratch();
  const old = await of.backUp();
  await of.backUp({ at: new Date(+of.clock.now + hour) });
  await of.remove(old, { window: 0 });
  of.pass(2 * day);
  let busy = false;
  let prunes = 0;
  const crowded = createHookedStore(of.store, {
    before: async () => {
      if (busy) return;
      busy = true;
      of.pass(7 * hour);
      await of.prune();
      prunes++;
      busy = false;
    },
  });
  for (let n = 0; n < 4; n++) {
    // Every other one is the first of a new epoch.
    of.pass(n % 2 === 0 ? hour : 31 * day);
    await of.backUp({ store: crowded });
  }
  assert.ok(prunes > 25, `${prunes} prunes`);
  assert.equal((await of.assertWhole()).length, 5);
});

test("pruneRepository() never takes a backup that is just being committed for a crashed one", async () => {
  await using of = await makePruneScratch();
  const written = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const waiting = createHookedStore(of.store, {
    before: async ({ key }) => {
      if (!key.endsWith("/manifest")) return;
      written.resolve();
      await mayCommit.promise;
    },
  });
  const backup = of.backUp({ store: waiting });
  await written.promise;
  // It ends after its maps were listed, and before anything says whether it is running.
  const store = createHookedStore(of.store, {
    before: async ({ method, key }) => {
      if (method !== "list" || key !== "7312/intents/") return;
      mayCommit.resolve();
      await backup;
    },
  });
  const [planned] = await of.prune({ store, confirm: false });
  assert.equal(planned?.kind, "planned");
  const { id, packs } = await backup;
  assert.deepEqual(
    planned.plan.backups.map(({ manifest }) => manifest.id),
    [id],
  );
  assert.deepEqual(
    planned.plan.objects.map(({ kind, decision }) => [kind, decision.act]),
    packs.map(() => ["pack", "keep"]),
  );
});

test("pruneRepository() clears away what a crashed backup has left, when its epoch has ended", async () => {
  await using of = await makePruneScratch();
  const first = await of.backUp();
  of.pass(hour);
  await leaveHalf(of);
  const [intent = ""] = await of.keys("/intents/");
  const half = intent.slice(intent.lastIndexOf("/") + 1);
  assert.equal((await of.keys(`/backups/${half}/`)).length, 1);
  await of.pruneDaily(10);
  assert.equal((await of.keys(half)).length, 2);
  of.pass(25 * day);
  const next = await of.backUp();
  await of.pruneDaily(1);
  assert.equal((await of.keys(half)).length, 1);
  await of.pruneDaily(1);
  assert.deepEqual(await of.keys(half), []);
  assert.equal((await of.keys("/packs/")).length, first.packs.length + next.packs.length);
  assert.equal((await of.assertWhole()).length, 2);
});

test("two prunes at once end with one that worked, and nothing lost", async () => {
  await using of = await makePruneScratch();
  const { kept, next } = await makeRubbish(of);
  const ends = await Promise.allSettled([of.prune(), of.prune(), of.prune()]);
  const failed = ends.filter((end) => end.status === "rejected");
  for (const { reason } of failed) assert.equal(reason.code, "busy");
  assert.equal(failed.length, 2);
  await of.pruneDaily(3);
  assert.deepEqual(await of.assertWhole(), [kept.id, next.id]);
});

test("pruneRepository() removes what the trying of a store has left, after a day", async () => {
  await using of = await makePruneScratch();
  const key = `probe-${randomBytes(16).toString("hex")}`;
  await of.store.put(key, [Buffer.from("x")], { signal });
  await of.prune();
  of.pass(day - 1);
  assert.deepEqual(doneBy(await of.prune()), []);
  of.pass(2);
  assert.deepEqual(doneBy(await of.prune()), [{ kind: "removed", key, size: 1 }]);
});

test("pruneRepository() leaves what a crashed backup has left when it is announced anew", async () => {
  await using of = await makePruneScratch();
  await of.backUp();
  const id = "20261120T101530Z-k3v9x0ap";
  const map = `7312/backups/${id}/map-0`;
  await of.store.put(map, [Buffer.from("a map")], { signal });
  await of.pruneDaily(1);
  of.pass(day);
  const { store, scratch, clock } = of;
  const intent = { format: 1, repository: scratch.repository.id, instance: "7312", backup: id };
  const json = JSON.stringify({ ...intent, epoch: id, started: clock.now.toISOString() });
  const how = { store, repository: scratch.repository.id, by: "p", now: () => clock.now };
  for await (const { kind } of pruneRepository({ ...how, confirm: true, signal }))
    if (kind === "planned") await store.put(`7312/intents/${id}`, [Buffer.from(json)], { signal });
  assert.deepEqual(await of.keys(map), [map]);
  await store.delete(`7312/intents/${id}`, { signal });
  await of.prune();
  assert.deepEqual(await of.keys(map), []);
});
