import assert from "node:assert/strict";
import { test } from "node:test";
import { day, doneBy, hour, makePruneScratch } from "./prune-scratch.ts";

test("pruneRepository() removes a deleted backup after its window, and its packs when its epoch has ended", async () => {
  await using of = await makePruneScratch();
  const first = await of.backUp();
  of.pass(hour);
  const second = await of.backUp();
  await of.remove(first);
  await of.pruneDaily(6);
  assert.deepEqual(await of.assertWhole(), [first.id, second.id]);
  await of.pruneDaily(2);
  assert.deepEqual(await of.assertWhole(), [second.id]);
  assert.deepEqual(await of.keys(first.id), [
    `~control/marks/7312/${first.id}/00000001`,
    `~control/marks/7312/${first.id}/00000002`,
    `~control/removed/7312/${first.id}`,
  ]);
  const packs = (await of.keys("/packs/")).length;
  // The host's current epoch stays as it is, however long.
  await of.pruneDaily(20);
  assert.equal((await of.keys("/packs/")).length, packs);
  of.pass(5 * day);
  const third = await of.backUp();
  assert.notEqual(third.epoch, second.epoch);
  const all = (await of.keys("/packs/")).length;
  await of.pruneDaily(1);
  assert.equal((await of.keys("/packs/")).length, all);
  await of.pruneDaily(3);
  assert.ok((await of.keys("/packs/")).length < all);
  assert.deepEqual(await of.assertWhole(), [second.id, third.id]);
  const needed = new Set([...second.packs, ...third.packs].map(({ pack }) => pack));
  assert.equal((await of.keys("/packs/")).length, needed.size);
  const done = doneBy(await of.prune());
  assert.deepEqual(
    done.filter((event) => event.kind !== "removed" || !event.key.startsWith("~control/prunes/")),
    [],
  );
});

test("pruneRepository() writes nothing in a dry run", async () => {
  await using of = await makePruneScratch();
  const header = await of.backUp();
  of.pass(hour);
  await of.backUp();
  await of.remove(header);
  of.pass(30 * day);
  const before = await of.keys("");
  const [planned, ...others] = await of.prune({ confirm: false });
  assert.deepEqual(others, []);
  assert.equal(planned?.kind, "planned");
  assert.deepEqual(
    planned.plan.backups.map(({ decision }) => decision.act),
    ["remove", "keep"],
  );
  assert.deepEqual(await of.keys(""), before);
});
