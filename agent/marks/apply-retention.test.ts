import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createHookedStore } from "../../integration/fixtures/hooked-store.ts";
import {
  backUp,
  makeScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { manifestKey } from "../repository/object-key.ts";
import { readAllMarks } from "../repository/read-all-marks.ts";
import { applyRetention, type RetentionOptions } from "./apply-retention.ts";
import { holdBackup } from "./hold-backup.ts";
import { mark, tagBackup, undeleteBackup } from "./mark-backup.ts";

const day = 24 * 3600 * 1000;

/** Ten daily backups of one database and two of another; eleven days later. */
async function makeHistory() {
  const clock = { now: new Date("2026-11-20T10:00:00.000Z") };
  const scratch = await makeScratchRepository({ storeClock: () => clock.now });
  const headers = [];
  for (let n = 0; n < 10; n++) {
    headers.push((await backUp(scratch, { streams: [[randomBytes(50)]], at: clock.now })).header);
    if (n > 7) await backUp(scratch, { streams: [[randomBytes(50)]], database: "blog" });
    clock.now = new Date(+clock.now + day);
  }
  const { store, repository } = scratch;
  const apply = (options: Partial<RetentionOptions> = {}) =>
    applyRetention({
      store,
      repository: repository.id,
      rule: { keepLast: 8 },
      window: 7 * 86_400,
      overLimit: false,
      confirm: true,
      by: "ann",
      now: clock.now,
      signal,
      ...options,
    });
  const deleted = async () => {
    const marks = await readAllMarks(store, { repository: repository.id, signal });
    return [...marks]
      .filter(([, state]) => state.deleted !== undefined)
      .map(([name]) => name.slice("7312/".length))
      .toSorted();
  };
  const marking = () => ({ store, by: "bob", reason: "", now: clock.now, signal });
  const ids = headers.map(({ id }) => id);
  return { ...scratch, clock, headers, ids, apply, deleted, marking };
}

test("applyRetention() marks what the rule does not keep, and only when it is confirmed", async () => {
  await using of = await makeHistory();
  const dry = await of.apply({ confirm: false });
  assert.equal(dry.decisions.filter(({ kept }) => !kept).length, 2);
  assert.deepEqual([dry.deleted, await of.deleted()], [[], []]);
  const { deleted, breaches } = await of.apply();
  assert.deepEqual([deleted.toSorted(), breaches], [of.ids.slice(0, 2), []]);
  assert.deepEqual(await of.deleted(), of.ids.slice(0, 2));
  // What is deleted stands for nothing: the same rule finds no more.
  assert.deepEqual((await of.apply()).deleted, []);
});

test("applyRetention() deletes no more than a fifth of a database in a day, unless that is said", async () => {
  await using of = await makeHistory();
  const { breaches, deleted } = await of.apply({ rule: { keepLast: 7 } });
  assert.deepEqual([breaches.length, deleted.length], [1, 0]);
  await of.apply({ rule: { keepLast: 9 } });
  // One has gone today; two more would be three.
  const more = await of.apply({ rule: { keepLast: 7 } });
  assert.deepEqual(
    more.breaches.map(({ going, gone, limit }) => [going, gone, limit]),
    [[2, 1, 2]],
  );
  const all = await of.apply({ rule: { keepLast: 7 }, overLimit: true });
  assert.equal(all.deleted.length, 2);
});

test("applyRetention() keeps what is held or has a tag of the rule", async () => {
  await using of = await makeHistory();
  const [first, second, third] = of.headers;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await holdBackup(first, of.marking());
  await tagBackup(second, { ...of.marking(), tag: "v2", remove: false });
  const rule = { keepLast: 7, keepTags: ["v2"] };
  assert.deepEqual((await of.apply({ rule })).deleted, [third.id]);
});

test("applyRetention() marks nothing when a manifest or a mark cannot be read", async () => {
  for (const key of ["manifest", "mark"]) {
    await using of = await makeHistory();
    const last = of.headers.at(-1) ?? assert.fail();
    const object =
      key === "manifest" ? manifestKey(last) : `~control/marks/7312/${last.id}/00000001`;
    of.objects.set(object, Buffer.from("?"));
    await assert.rejects(of.apply(), { code: "repository-damaged" });
    of.objects.delete(object);
    assert.deepEqual(await of.deleted(), []);
  }
});

test("applyRetention() passes over what somebody marks after it was judged", async () => {
  await using of = await makeHistory();
  const [first] = of.headers;
  assert.ok(first !== undefined);
  let judged = false;
  const store = createHookedStore(of.store, {
    before: async ({ method, key }) => {
      if (judged || method !== "list" || !key.startsWith(`~control/marks/7312/${first.id}/`))
        return;
      judged = true;
      await holdBackup(first, of.marking());
    },
  });
  assert.deepEqual((await of.apply({ store })).deleted, [of.ids[1]]);
  assert.equal(judged, true);
});

test("applyRetention() takes back what has become the last good backup meanwhile", async () => {
  await using of = await makeHistory();
  const store = createHookedStore(of.store, {
    after: async ({ method, key }) => {
      // Somebody deletes all that the rule keeps, by another rule of his own.
      if (method !== "put" || !key.includes(`/${of.ids[1]}/`)) return;
      for (const id of of.ids.slice(2)) {
        const place = { repository: of.repository.id, instance: "7312", id };
        await mark(place, of.marking(), () => ({ mark: "delete", reason: "", window: 60 }));
      }
    },
  });
  await assert.rejects(of.apply({ store }), { code: "busy", message: /no other good backup/ });
  assert.deepEqual(await of.deleted(), of.ids.slice(2));
  const [first] = of.headers;
  assert.ok(first !== undefined);
  assert.equal((await undeleteBackup(first, of.marking())).changed, false);
});
