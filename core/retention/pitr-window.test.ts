import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { neededBases } from "./pitr-window.ts";

interface Named {
  name: string;
  committed: Date;
  logReaches: Date | undefined;
}

/** Times are milliseconds; the window begins at 100, and it is 200 now. */
const base = (from: number, to?: number): Named => ({
  name: `${from}`,
  committed: new Date(from),
  logReaches: to === undefined ? undefined : new Date(to),
});
const start = new Date(100);
const newestFirst = (bases: readonly Named[]) =>
  bases.toSorted((a, b) => b.committed.getTime() - a.committed.getTime());
const needed = (...bases: Named[]) =>
  newestFirst([...neededBases(newestFirst(bases), start)]).map(({ name }) => name);

test("neededBases() keeps the newest base before the window, and all within", () => {
  assert.deepEqual(needed(base(50, 200), base(90, 200), base(150, 200)), ["150", "90"]);
  assert.deepEqual(needed(base(50, 200), base(100, 200)), ["100"]);
  assert.deepEqual(needed(base(50), base(90), base(150), base(190)), ["190", "150", "90"]);
});

test("neededBases() keeps an older base when the newer one is of a line that has ended", () => {
  assert.deepEqual(needed(base(50, 200), base(60, 110), base(90, 95)), ["90", "50"]);
  assert.deepEqual(needed(base(50, 180), base(90, 110), base(170, 200)), ["170", "90", "50"]);
});

test("neededBases() keeps the newest of those whose log is not known", () => {
  assert.deepEqual(needed(base(60), base(80), base(90, 200)), ["90", "80"]);
  const unreadable = { ...base(80), logReaches: new Date(Number.NaN) };
  assert.deepEqual(needed(unreadable, base(90, 200)), ["90", "80"]);
});

test("neededBases() keeps what there is when nothing is before the window", () => {
  assert.deepEqual(needed(base(120, 200), base(150, 200)), ["150", "120"]);
  assert.deepEqual(needed(), []);
});

test("neededBases() loses no moment of the window that any base reaches", () => {
  const span = fc
    .tuple(fc.nat({ max: 200 }), fc.nat({ max: 120 }))
    .map(([from, length]) => base(from, from + length));
  fc.assert(
    fc.property(fc.array(span, { maxLength: 12 }), (bases) => {
      const kept = [...neededBases(newestFirst(bases), start)];
      const reaches = (moment: number) => (one: Named) =>
        one.committed.getTime() <= moment && moment <= Number(one.logReaches);
      for (let moment = 100; moment <= 200; moment += 1)
        assert.equal(kept.some(reaches(moment)), bases.some(reaches(moment)), `${moment}`);
      // Of those before the window, at most the newest and the one that reaches furthest.
      assert.ok(kept.filter(({ committed }) => committed <= start).length <= 2);
    }),
  );
});
