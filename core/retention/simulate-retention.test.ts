import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { imagineBackups, seriesLength, usualInterval, type Series } from "./imagine-backups.ts";
import { keepBackups } from "./keep-backups.ts";
import type { RetentionRule } from "./retention-rule.ts";
import { simulateRetention, storedBytes, type StoredBackup } from "./simulate-retention.ts";
import { backupAt, backupsEvery, dayMs, histories, now, rules } from "./scratch-backups.ts";

const from = new Date("2026-11-20T00:00:00.000Z");
const day = (n: number) => new Date(from.getTime() + n * dayMs);
const series = (changes: Partial<Series> = {}): Series => ({
  database: "7312/shop",
  name: "db1/shop",
  kind: "logical",
  first: from,
  everySeconds: 86_400,
  until: day(90),
  bytes: 1000,
  growthPerDay: 0,
  ...changes,
});
const stored = (backups: readonly ReturnType<typeof backupAt>[]): StoredBackup[] =>
  backups.map((backup) => ({ ...backup, packs: [{ pack: backup.id, size: 10 }] }));

test("simulateRetention() shows what is kept, how much it is, and how far back it reaches", () => {
  const backups = imagineBackups(series());
  const { samples, departures } = simulateRetention(
    backups,
    { keepLast: 7 },
    { from, days: [3, 30] },
  );
  assert.deepEqual(samples, [
    { day: 3, at: day(3), kept: 4, bytes: 4000, oldest: day(0) },
    { day: 30, at: day(30), kept: 7, bytes: 7000, oldest: day(24) },
  ]);
  assert.deepEqual(departures.length, 24);
  assert.deepEqual(departures[0], { day: 7, at: day(7), backups: [backups[0]?.id] });
});

test("simulateRetention() settles at the tiers of a GFS rule", () => {
  const tiers = { daily: 7, weekly: 4, monthly: 12, yearly: 3 };
  const rule = { gfs: { ...tiers, weekday: 7, monthDay: 1, zone: "UTC" } };
  const backups = imagineBackups(series({ until: day(5 * 366) }));
  const days = [3 * 366, 4 * 366, 5 * 366];
  for (const { kept, oldest, at } of simulateRetention(backups, rule, { from, days }).samples) {
    assert.ok(kept >= 7 + 3 + 10 && kept <= 7 + 4 + 12 + 3, `${kept} kept`);
    const years = at.getUTCFullYear() - (oldest ?? at).getUTCFullYear();
    assert.equal(years, 2);
  }
});

test("simulateRetention() takes on what it has on day 0, also what has no known time", () => {
  const backups = [
    ...backupsEvery(24, { count: 5, until: "2026-11-15T00:00:00.000Z" }),
    backupAt("2026-01-01T00:00Z", { id: "unknown", committed: undefined }),
  ];
  const { samples, departures } = simulateRetention(
    stored(backups),
    { keepLast: 2 },
    { from, days: [0] },
  );
  assert.deepEqual(
    departures[0]?.backups,
    backups.slice(0, 3).map(({ id }) => id),
  );
  assert.deepEqual([samples[0]?.kept, samples[0]?.bytes], [3, 30]);
});

test("simulateRetention() names the oldest point that every database has", () => {
  const a = backupAt("2026-01-01T00:00Z", { database: "a" });
  const b = backupAt("2026-06-01T00:00Z", { database: "b" });
  const oldest = (backups: (typeof a)[]) =>
    simulateRetention(stored(backups), { keepLast: 9 }, { from, days: [0] }).samples[0]?.oldest;
  assert.deepEqual(oldest([a, b]), b.committed);
  assert.deepEqual(oldest([a, { ...b, state: "partial" }]), undefined);
  assert.deepEqual(oldest([]), undefined);
});

test("simulateRetention() lets go on its first day what keepBackups() lets go", () => {
  fc.assert(
    fc.property(histories, rules, (history, rule) => {
      const come = history.filter(({ committed }) => !(Number(committed) > now.getTime()));
      const gone = keepBackups(come, rule, { now }).filter(({ kept }) => !kept);
      const { departures } = simulateRetention(stored(history), rule, { from: now, days: [0] });
      assert.deepEqual(
        departures.flatMap(({ backups }) => backups).toSorted(),
        gone.map(({ backup }) => backup.id).toSorted(),
      );
    }),
  );
});

test("a rule applied every day lets nothing go that it keeps in the end", () => {
  const property = (history: ReturnType<typeof backupAt>[], rule: RetentionRule) => {
    const start = new Date(now.getTime() - 40 * dayMs);
    const { departures } = simulateRetention(stored(history), rule, { from: start, days: [40] });
    const gone = new Set(departures.flatMap(({ backups }) => backups));
    for (const { kept, backup, reasons } of keepBackups(history, rule, { now })) {
      // Where nothing at all would be kept any more, the rule is refused only then.
      const refused = reasons.some(({ kind }) => kind === "nothing-kept");
      if (kept && !refused) assert.ok(!gone.has(backup.id), `${backup.id} went before`);
    }
  };
  fc.assert(fc.property(histories, rules, property));
});

test("storedBytes() counts a pack that several backups share once", () => {
  const [a, b] = stored(backupsEvery(1, { count: 2, until: from.toISOString() }));
  assert.ok(a !== undefined && b !== undefined);
  const shared = { pack: "shared", size: 7 };
  assert.equal(
    storedBytes([
      { ...a, packs: [shared] },
      { ...b, packs: [...b.packs, shared] },
    ]),
    17,
  );
});

test("imagineBackups() makes as many as seriesLength() says, each larger by its growth", () => {
  const wanted = series({ until: day(2), everySeconds: 12 * 3600, growthPerDay: 0.1 });
  const sizes = imagineBackups(wanted).map(({ packs }) => packs[0]?.size);
  assert.deepEqual(sizes, [1000, 1049, 1100, 1154, 1210]);
  assert.equal(seriesLength(wanted), 5);
  assert.deepEqual(imagineBackups(series({ until: day(-1) })), []);
  assert.equal(seriesLength(series({ until: day(-1) })), 0);
});

test("usualInterval() bears a pause, and does not make a rhythm of two", () => {
  const at = (...hours: number[]) =>
    hours.map((hour) => backupAt(new Date(from.getTime() + hour * 3_600_000).toISOString()));
  assert.equal(usualInterval(at(0, 6, 12, 18, 90, 96)), 6 * 3600);
  assert.equal(usualInterval(at(0, 6)), undefined);
  assert.equal(usualInterval(at(0, 0, 0)), undefined);
  const [first, ...others] = at(0, 6, 12, 13);
  assert.ok(first !== undefined);
  assert.equal(
    usualInterval([first, ...others.slice(0, 2), { ...first, state: "partial" }]),
    21_600,
  );
});
