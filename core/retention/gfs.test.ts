import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gfsReasons } from "./gfs.ts";
import type { RetainedBackup } from "./keep-backups.ts";
import { describeReason, type Tier } from "./keep-reason.ts";
import type { GfsRule } from "./retention-rule.ts";
import { backupAt, backupsEvery, gfsRules, histories, now } from "./scratch-backups.ts";

const none = { daily: 0, weekly: 0, monthly: 0, yearly: 0, weekday: 7, monthDay: 1, zone: "UTC" };

/** Those that are kept, by id, with the words on why; the newest first. */
function keep(backups: readonly RetainedBackup[], rule: Partial<GfsRule>): [string, string[]][] {
  const candidates = backups
    .map((backup) => ({ ...backup, committed: backup.committed ?? assert.fail("has a time") }))
    .toSorted((a, b) => (a.committed < b.committed ? 1 : -1));
  const reasons = gfsReasons(candidates, { ...none, ...rule });
  return candidates.flatMap((candidate): [string, string[]][] => {
    const why = reasons.get(candidate);
    return why === undefined ? [] : [[candidate.id, why.map(describeReason)]];
  });
}

const keptIds = (backups: readonly RetainedBackup[], rule: Partial<GfsRule>) =>
  keep(backups, rule).map(([id]) => id);
const days = (count: number, until: string) => backupsEvery(24, { count, until });

test("daily keeps the newest of each of the newest days that have one", () => {
  const backups = ["2026-11-20T01:00Z", "2026-11-20T23:59Z", "2026-11-18T12:00Z"].map((time) =>
    backupAt(time),
  );
  assert.deepEqual(keep([...backups, backupAt("2026-11-17T12:00Z")], { daily: 2 }), [
    ["2026-11-20T23:59Z", ["daily 1 of 2: 2026-11-20"]],
    ["2026-11-18T12:00Z", ["daily 2 of 2: 2026-11-18"]],
  ]);
});

test("weekly keeps the preferred weekday's, the newest of that day", () => {
  const backups = backupsEvery(12, { count: 28, until: "2026-11-22T18:00:00.000Z" });
  assert.deepEqual(keep(backups, { weekly: 2 }), [
    ["2026-11-22T18:00:00.000Z", ["weekly 1 of 2: 2026-W47, on Sunday"]],
    ["2026-11-15T18:00:00.000Z", ["weekly 2 of 2: 2026-W46, on Sunday"]],
  ]);
});

test("weekly takes the nearest day when nothing ran on the preferred one, the newer of two", () => {
  // Monday, Tuesday, Thursday and Friday of one week; wanted is Wednesday.
  const backups = ["16", "17", "19", "20"].map((day) => backupAt(`2026-11-${day}T12:00Z`));
  assert.deepEqual(keep(backups, { weekly: 4, weekday: 3 }), [
    ["2026-11-19T12:00Z", ["weekly 1 of 4: 2026-W47, nearest to Wednesday"]],
  ]);
});

test("a verified one beats an unverified one of the same distance, not a nearer one", () => {
  const verified = { verified: true };
  const [tuesday, thursday] = [
    backupAt("2026-11-17T12:00Z", verified),
    backupAt("2026-11-19T12:00Z"),
  ];
  const rule = { weekly: 1, weekday: 3 };
  assert.deepEqual(keptIds([tuesday, thursday], rule), ["2026-11-17T12:00Z"]);
  const wednesday = backupAt("2026-11-18T01:00Z");
  assert.deepEqual(keptIds([tuesday, thursday, wednesday], rule), ["2026-11-18T01:00Z"]);
  const early = backupAt("2026-11-18T00:30Z", verified);
  assert.deepEqual(keptIds([wednesday, early, tuesday], rule), ["2026-11-18T00:30Z"]);
});

test("weeks are ISO weeks, also over the end of a year with 53 of them", () => {
  // 2026 has 53 weeks: the last one ends on Sunday, 2027-01-03.
  const kept = keep(days(30, "2027-01-10T12:00:00.000Z"), { weekly: 3 });
  assert.deepEqual(kept, [
    ["2027-01-10T12:00:00.000Z", ["weekly 1 of 3: 2027-W01, on Sunday"]],
    ["2027-01-03T12:00:00.000Z", ["weekly 2 of 3: 2026-W53, on Sunday"]],
    ["2026-12-27T12:00:00.000Z", ["weekly 3 of 3: 2026-W52, on Sunday"]],
  ]);
  const [first] = keep([backupAt("2024-12-31T12:00Z")], { weekly: 1 });
  assert.deepEqual(first?.[1], ["weekly 1 of 1: 2025-W01, nearest to Sunday"]);
});

for (const [monthDay, wanted] of [
  [1, ["2027-03-01", "2027-02-01", "2027-01-01"]],
  [0, ["2027-03-31", "2027-02-28", "2027-01-31"]],
  [31, ["2027-03-31", "2027-02-28", "2027-01-31"]],
  [29, ["2027-03-29", "2027-02-28", "2027-01-29"]],
  [15, ["2027-03-15", "2027-02-15", "2027-01-15"]],
] as const)
  test(`monthly with month-day ${monthDay} keeps ${wanted.join(", ")}`, () => {
    const kept = keptIds(days(90, "2027-03-31T12:00:00.000Z"), { monthly: 3, monthDay });
    assert.deepEqual(
      kept.map((id) => id.slice(0, 10)),
      wanted,
    );
  });

test("monthly knows February of a leap year", () => {
  const kept = keptIds(days(20, "2028-03-05T12:00:00.000Z"), { monthly: 2, monthDay: 31 });
  assert.deepEqual(
    kept.map((id) => id.slice(0, 10)),
    ["2028-03-05", "2028-02-29"],
  );
});

test("yearly prefers January and the monthly day, else what is nearest to it", () => {
  const backups = ["2024-06-01", "2025-01-20", "2025-12-01", "2026-01-31", "2026-01-14"].map(
    (date) => backupAt(`${date}T12:00Z`),
  );
  assert.deepEqual(keep(backups, { yearly: 3, monthDay: 15 }), [
    ["2026-01-14T12:00Z", ["yearly 1 of 3: 2026, nearest to day 15 of January"]],
    ["2025-01-20T12:00Z", ["yearly 2 of 3: 2025, nearest to day 15 of January"]],
    ["2024-06-01T12:00Z", ["yearly 3 of 3: 2024, nearest to day 15 of January"]],
  ]);
  assert.deepEqual(keptIds(backups, { yearly: 1, monthDay: 0 }), ["2026-01-31T12:00Z"]);
});

test("days begin where the zone says", () => {
  // 23:30 in Berlin and 00:30 of the next day there; one day in UTC.
  const backups = [backupAt("2026-11-20T22:30Z"), backupAt("2026-11-20T23:30Z")];
  assert.equal(keptIds(backups, { daily: 5 }).length, 1);
  assert.equal(keptIds(backups, { daily: 5, zone: "Europe/Berlin" }).length, 2);
  assert.deepEqual(keep(backups.slice(1), { daily: 1, zone: "Europe/Berlin" })[0]?.[1], [
    "daily 1 of 1: 2026-11-21",
  ]);
});

test("days of 23 and 25 hours are days", () => {
  // Clocks in Berlin are set forward on 2026-03-29 and back on 2026-10-25.
  for (const [day, from, to] of [
    ["2026-03-29", "2026-03-28T23:00Z", "2026-03-29T21:59Z"],
    ["2026-10-25", "2026-10-24T22:00Z", "2026-10-25T22:59Z"],
  ] as const) {
    const kept = keep([backupAt(from), backupAt(to)], { daily: 9, zone: "Europe/Berlin" });
    assert.deepEqual(kept, [[to, [`daily 1 of 9: ${day}`]]]);
  }
});

test("one backup may stand for several periods", () => {
  const [only] = keep([backupAt("2026-11-20T12:00Z")], {
    daily: 7,
    weekly: 4,
    monthly: 12,
    yearly: 3,
  });
  assert.deepEqual(only?.[1], [
    "daily 1 of 7: 2026-11-20",
    "weekly 1 of 4: 2026-W47, nearest to Sunday",
    "monthly 1 of 12: 2026-11, nearest to day 1",
    "yearly 1 of 3: 2026, nearest to day 1 of January",
  ]);
});

// Table 11.1 once more, written another way: slow, by comparing each backup with every other.

type Told = RetainedBackup & { committed: Date };

interface Placed extends Told {
  period: string;
  distance: number;
}

function keptByTable(all: readonly Told[], tier: Tier, rule: GfsRule): string[] {
  const placed = all.map((backup): Placed => ({ ...backup, ...placeOf(backup, tier, rule) }));
  return placed
    .filter((own) => placed.every((other) => other.id === own.id || !isBeaten(own, other)))
    .filter(({ period }) => {
      const newer = placed.filter((other) => other.period > period);
      return new Set(newer.map((other) => other.period)).size < rule[tier];
    })
    .map(({ id }) => id);
}

function isBeaten(own: Placed, other: Placed): boolean {
  if (other.period !== own.period) return false;
  if (other.distance !== own.distance) return other.distance < own.distance;
  if (other.verified !== own.verified) return other.verified;
  return other.committed > own.committed;
}

function placeOf({ committed }: Told, tier: Tier, rule: GfsRule) {
  // The Swedish way to write a date is that of ISO 8601.
  const date = new Intl.DateTimeFormat("sv-SE", { timeZone: rule.zone }).format(committed);
  const apart = (other: string) => Math.abs(Date.parse(date) - Date.parse(other)) / 86_400_000;
  if (tier === "daily") return { period: date, distance: 0 };
  if (tier === "weekly") {
    const week = daysOfWeek(date);
    return { period: week[3] ?? "", distance: apart(week[rule.weekday - 1] ?? "") };
  }
  const [year = "", month = ""] = date.split("-");
  const preferred = lastFitting(tier === "yearly" ? `${year}-01` : `${year}-${month}`, rule);
  return { period: tier === "yearly" ? year : `${year}-${month}`, distance: apart(preferred) };
}

/** Monday to Sunday, found by walking. */
function daysOfWeek(date: string): string[] {
  const step = (from: string, by: number) =>
    new Date(Date.parse(from) + by * 86_400_000).toISOString().slice(0, 10);
  let monday = date;
  while (new Date(monday).getUTCDay() !== 1) monday = step(monday, -1);
  return [0, 1, 2, 3, 4, 5, 6].map((by) => step(monday, by));
}

/** The highest day of the month that there is and that is not above the wanted one. */
function lastFitting(month: string, { monthDay }: GfsRule): string {
  const wanted = monthDay === 0 ? 31 : monthDay;
  for (let day = wanted; ; day -= 1) {
    const date = `${month}-${String(day).padStart(2, "0")}`;
    const time = new Date(date);
    if (!Number.isNaN(+time) && time.toISOString().startsWith(date)) return date;
  }
}

test("gfsReasons() keeps what table 11.1 says, for any history and rule", () => {
  fc.assert(
    fc.property(histories, gfsRules, (history, rule) => {
      const candidates = history
        .filter((backup): backup is Told => +(backup.committed ?? Number.NaN) <= +now)
        .filter(({ state }) => state === "complete")
        .toSorted((a, b) => +b.committed - +a.committed);
      const distinct = candidates.filter(
        ({ committed }, n) => +committed !== +(candidates[n - 1]?.committed ?? 0),
      );
      const reasons = gfsReasons(distinct, rule);
      for (const tier of ["daily", "weekly", "monthly", "yearly"] as const)
        assert.deepEqual(
          distinct
            .filter((backup) => reasons.get(backup)?.some(({ kind }) => kind === tier))
            .map(({ id }) => id),
          keptByTable(distinct, tier, rule),
          tier,
        );
    }),
    { numRuns: 100 },
  );
});
