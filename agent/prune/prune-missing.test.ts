import assert from "node:assert/strict";
import { test } from "node:test";
import { putMark } from "../repository/put-mark.ts";
import { signal } from "../../integration/fixtures/scratch-repository.ts";
import { day, makePruneScratch, type PruneScratch } from "./prune-scratch.ts";

/** A backup in an epoch of its own, which its host has left, and what of it was lost. */
async function loseOne(of: PruneScratch, { isFollowed }: { isFollowed: boolean }) {
  const lost = await of.backUp();
  const keys = [...(await of.keys(`/packs/${lost.epoch}/`)), ...(await of.keys(`${lost.id}/map-`))];
  assert.ok(keys.length > 1);
  of.pass(day);
  await of.backUp({ at: new Date(+of.clock.now + 31 * day) });
  const manifest = `7312/backups/${lost.id}/manifest`;
  const bytes = of.scratch.objects.get(manifest) ?? assert.fail();
  if (!isFollowed) {
    const place = { ...lost, repository: of.scratch.repository.id };
    const decide = () => ({ mark: "tag" as const, tag: "a", reason: "" });
    await putMark(of.store, place, { decide, by: "ann", now: of.clock.now, signal });
    for (const key of await of.keys("/manifest"))
      if (key !== manifest) of.scratch.objects.delete(key);
  }
  of.scratch.objects.delete(manifest);
  const left = async () => {
    const there = await of.keys("7312/");
    return keys.filter((key) => there.includes(key)).length;
  };
  const putBack = () => of.store.put(manifest, [bytes], { signal });
  return { lost, all: keys.length, left, putBack };
}

for (const isFollowed of [true, false])
  test(`what a lost backup needs stays when ${isFollowed ? "another followed it" : "marks speak of it"}`, async () => {
    await using of = await makePruneScratch();
    const { lost, all, left, putBack } = await loseOne(of, { isFollowed });
    await of.pruneDaily(90);
    assert.equal(await left(), all);
    const [planned] = await of.prune({ confirm: false });
    assert.ok(planned?.kind === "planned");
    const { missing, epochs } = planned.plan;
    assert.equal(missing.length, 1);
    assert.ok(missing[0]?.backups.includes(lost.id));
    assert.ok(epochs.some(({ state }) => !state.closed && state.why === "incomplete"));
    await putBack();
    await of.assertWhole();
  });

test("what a lost backup needed goes when it is given up", async () => {
  await using of = await makePruneScratch();
  const { left } = await loseOne(of, { isFollowed: true });
  for (let days = 0; days < 70; days++) {
    of.pass(day);
    await of.prune({ acceptsMissing: true });
  }
  assert.equal(await left(), 0);
  await of.assertWhole();
});
