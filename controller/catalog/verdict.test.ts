import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type VerifyDepth, parseVerifyDepth } from "../../core/verify-depth.ts";
import { type Look, type Verdict, addLook } from "./verdict.ts";

function look(minute: number, depth: string, ...damages: string[]): Look {
  return { at: new Date(minute * 60_000), depth: parseVerifyDepth(depth), bytes: 1, damages };
}

const judge = (...looks: Look[]) => looks.reduce<Verdict>(addLook, {});

test("addLook() calls a backup verified when all of it was read, and not before", () => {
  assert.equal(judge(look(1, "sample=50%")).verifiedAt, undefined);
  const verdict = judge(look(1, "full"), look(2, "quick"));
  assert.deepEqual(verdict.verifiedAt, new Date(60_000));
  assert.equal(verdict.last?.depth.kind, "quick");
});

test("addLook() calls it damaged, and no more verified, when a later look finds damage", () => {
  const verdict = judge(look(1, "full"), look(2, "quick", "pack is missing"));
  assert.equal(verdict.verifiedAt, undefined);
  assert.deepEqual(verdict.damage?.damages, ["pack is missing"]);
});

const rows: [title: string, looks: Look[], isDamaged: boolean][] = [
  ["quick does not clear what full found", [look(1, "full", "x"), look(2, "quick")], true],
  ["full clears what full found", [look(1, "full", "x"), look(2, "full")], false],
  ["quick clears what quick found", [look(1, "quick", "x"), look(2, "quick")], false],
  ["a sample clears what quick found", [look(1, "quick", "x"), look(2, "sample=1%")], false],
  ["a sample does not clear another", [look(1, "sample=9%", "x"), look(2, "sample=9%")], true],
  ["full clears what a sample found", [look(1, "sample=9%", "x"), look(2, "full")], false],
  ["an earlier look clears nothing", [look(2, "full", "x"), look(1, "full")], true],
  ["an earlier damage is no news", [look(2, "full"), look(1, "full", "x")], false],
  [
    "quick does not clear what full and then quick found",
    [look(1, "full", "x"), look(2, "quick", "y"), look(3, "quick")],
    true,
  ],
];
for (const [title, looks, isDamaged] of rows)
  test(`addLook(): ${title}`, () => {
    assert.equal(judge(...looks).damage !== undefined, isDamaged);
  });

const depths: VerifyDepth[] = ["quick", "index", "sample=5%", "full"].map(parseVerifyDepth);
const looks = fc.record({
  at: fc.integer({ min: 0, max: 9 }).map((n) => new Date(n * 60_000)),
  depth: fc.constantFrom(...depths),
  bytes: fc.nat(),
  damages: fc.subarray(["x"]),
});

test("addLook() never leaves a backup both verified and damaged, and never verified after damage", () => {
  fc.assert(
    fc.property(fc.array(looks, { maxLength: 6 }), (all) => {
      const verdict = judge(...all);
      assert.ok(verdict.verifiedAt === undefined || verdict.damage === undefined);
      const { verifiedAt } = verdict;
      if (verifiedAt === undefined) return;
      assert.ok(all.some(({ at, depth }) => +at === +verifiedAt && depth.kind === "full"));
      assert.ok(
        !all.some(({ at, damages }) => at > verifiedAt && damages.length > 0 && isLast(all, at)),
      );
    }),
  );
});

/** Whether no later look was good. */
function isLast(all: readonly Look[], at: Date): boolean {
  return !all.some((one) => one.at >= at && one.damages.length === 0);
}
