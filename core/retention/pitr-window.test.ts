import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { neededBases } from "./pitr-window.ts";

interface Named {
  name: string;
  committed: Date;
  logReaches: Date | undefined;
}

/** Times are hours; the window is from 100 to 200. */
const base = (from: number, to?: number): Named => ({
  name: `${from}`,
  committed: new Date(from),
  logReaches: to === undefined ? undefined : new Date(to),
});
const window = { start: new Date(100), now: new Date(200) };
const needed = (...bases: Named[]) =>
  [...neededBases(newestFirst(bases), window)].map(({ name }) => name).toSorted();
const newestFirst = (bases: readonly Named[]) =>
  bases.toSorted((a, b) => b.committed.getTime() - a.committed.getTime());

test("neededBases() keeps the newest base before the window when the log has no hole", () => {
  assert.deepEqual(needed(base(50, 200), base(90, 200), base(150, 200)), ["90"]);
  assert.deepEqual(needed(base(50, 200), base(100, 200)), ["100"]);
});

test("neededBases() needs no log from after now", () => {
  assert.deepEqual(needed(base(110, 200), base(136, 300)), ["110"]);
});

test("neededBases() keeps the first base behind a hole", () => {
  assert.deepEqual(needed(base(90, 120), base(130, 200), base(150, 200)), ["130", "90"]);
  // The newer base is of a line that has ended.
  assert.deepEqual(needed(base(50, 200), base(90, 95)), ["50"]);
  assert.deepEqual(needed(base(50, 180), base(90, 110), base(170, 200)), ["170", "50"]);
});

test("neededBases() keeps the oldest within the window when none is before it", () => {
  assert.deepEqual(needed(base(120, 200), base(150, 200)), ["120"]);
  assert.deepEqual(needed(), []);
});

test("neededBases() keeps every base that may be needed when the log is not known", () => {
  assert.deepEqual(needed(base(50), base(90), base(150), base(190)), ["150", "190", "90"]);
  assert.deepEqual(needed(base(150), base(190)), ["150", "190"]);
  assert.deepEqual(needed(base(80), base(90, 200), base(60)), ["80", "90"]);
  const unreadable = { ...base(150), logReaches: new Date(Number.NaN) };
  assert.deepEqual(needed(base(90, 200), unreadable), ["150", "90"]);
});

test("neededBases() loses no moment of the window that any base reaches", () => {
  const span = fc
    .tuple(fc.nat({ max: 210 }), fc.nat({ max: 120 }))
    .map(([from, length]) => base(from, from + length));
  fc.assert(
    fc.property(fc.array(span, { maxLength: 12 }), (bases) => {
      const kept = neededBases(newestFirst(bases), window);
      const reaches = (moment: number) => (one: Named) =>
        one.committed.getTime() <= moment && moment <= Number(one.logReaches);
      const moments = Array.from({ length: 201 }, (_, n) => 100 + n / 2);
      for (const moment of moments)
        assert.equal([...kept].some(reaches(moment)), bases.some(reaches(moment)), `${moment}`);
      // And holds none that could be left out.
      for (const one of kept)
        assert.ok(
          moments.some((moment) => {
            const reaching = [...kept].filter(reaches(moment));
            return reaching.length === 1 && reaching[0] === one;
          }),
        );
    }),
  );
});
