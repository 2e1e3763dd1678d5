import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseCron } from "./cron.ts";
import { jitterOf, longestInterval, nextRun } from "./next-run.ts";

const berlin = "Europe/Berlin";
const table: [cron: string, zone: string, after: string, expected: string][] = [
  ["0 3 * * *", "UTC", "2026-01-01T02:59:59.999Z", "2026-01-01T03:00:00.000Z"],
  ["0 3 * * *", "UTC", "2026-01-01T03:00:00.000Z", "2026-01-02T03:00:00.000Z"],
  ["*/15 * * * *", "UTC", "2026-01-01T03:01:00.000Z", "2026-01-01T03:15:00.000Z"],
  ["5-59/20 8,20 * * *", "UTC", "2026-01-01T08:26:00.000Z", "2026-01-01T08:45:00.000Z"],
  ["0 0 * * mon", "UTC", "2026-01-01T00:00:00.000Z", "2026-01-05T00:00:00.000Z"],
  ["0 0 * * 7", "UTC", "2026-01-01T00:00:00.000Z", "2026-01-04T00:00:00.000Z"],
  ["0 0 13 * fri", "UTC", "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"],
  ["0 0 31 * *", "UTC", "2026-01-31T00:00:00.000Z", "2026-03-31T00:00:00.000Z"],
  ["0 0 29 2 *", "UTC", "2096-02-29T00:00:00.000Z", "2104-02-29T00:00:00.000Z"],
  ["0 3 * * *", berlin, "2026-01-01T00:00:00.000Z", "2026-01-01T02:00:00.000Z"],
  ["0 3 * * *", berlin, "2026-07-01T00:00:00.000Z", "2026-07-01T01:00:00.000Z"],
  // 02:30 does not exist on March 29, 2026; 02:30 occurs twice on October 25.
  ["30 2 * * *", berlin, "2026-03-28T12:00:00.000Z", "2026-03-29T01:00:00.000Z"],
  ["30 2 * * *", berlin, "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"],
  ["30 2 * * *", berlin, "2026-10-24T12:00:00.000Z", "2026-10-25T00:30:00.000Z"],
  ["30 2 * * *", berlin, "2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"],
  ["30 * * * *", berlin, "2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"],
  ["30 * * * *", berlin, "2026-03-29T00:30:00.000Z", "2026-03-29T01:30:00.000Z"],
  // Midnight itself is skipped there.
  ["0 0 * * *", "America/Santiago", "2026-09-05T12:00:00.000Z", "2026-09-06T04:00:00.000Z"],
  // December 30, 2011 never was.
  ["0 3 30 * *", "Pacific/Apia", "2011-12-29T12:00:00.000Z", "2011-12-30T10:00:00.000Z"],
];
for (const [cron, timeZone, after, expected] of table)
  test(`nextRun() of ${cron} in ${timeZone} after ${after} is ${expected}`, () => {
    assert.equal(
      nextRun({ cron: parseCron(cron), timeZone }, new Date(after)).toISOString(),
      expected,
    );
  });

test("nextRun() goes on strictly, and finds the same run from any moment before it", () => {
  const zones = fc.constantFrom(
    "UTC",
    berlin,
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
  );
  const crons = fc.constantFrom(
    "*/7 * * * *",
    "30 2 * * *",
    "0 0 * * *",
    "15 1,2,3 * * 0",
    "0 5 31 * *",
  );
  const moments = fc.date({
    min: new Date("2020-01-01"),
    max: new Date("2030-01-01"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(zones, crons, moments, (timeZone, text, after) => {
      const timing = { cron: parseCron(text), timeZone };
      const next = nextRun(timing, after);
      assert.ok(next > after);
      const between = new Date((after.getTime() + next.getTime()) / 2);
      if (between < next) assert.deepEqual(nextRun(timing, between), next);
    }),
    { numRuns: 300 },
  );
});

for (const text of [
  "",
  "* * * *",
  "60 * * * *",
  "* 24 * * *",
  "* * 0 * *",
  "* * * 13 *",
  "* * * * 8",
  "5-1 * * * *",
  "a * * * *",
  "*/0 * * * *",
  "1,,2 * * * *",
  "1-2-3 * * * *",
  "0 3 30 2 *",
  "0 0 3 * * *",
])
  test(`parseCron() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseCron(text), SyntaxError);
  });

test("longestInterval() of a daily schedule is 25 hours where clocks are set back", () => {
  const timing = (timeZone: string) => ({ cron: parseCron("daily"), timeZone });
  assert.equal(longestInterval(timing("UTC"), new Date(0)), 24 * 3600);
  assert.equal(longestInterval(timing(berlin), new Date("2026-01-01")), 25 * 3600);
});

test("jitterOf() is stable, below its bound, and differs between targets", () => {
  const names = Array.from({ length: 100 }, (_, index) => `db${index}/shop`);
  const jitters = names.map((name) => jitterOf(name, 1800));
  assert.deepEqual(
    jitters,
    names.map((name) => jitterOf(name, 1800)),
  );
  assert.ok(jitters.every((jitter) => jitter >= 0 && jitter < 1_800_000));
  assert.ok(new Set(jitters).size > 80);
});
