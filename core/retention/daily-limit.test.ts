import assert from "node:assert/strict";
import { test } from "node:test";
import { breachesOfDailyLimit } from "./daily-limit.ts";
import { keepBackups } from "./keep-backups.ts";
import { backupAt, backupsEvery, dayMs, now } from "./scratch-backups.ts";

const until = new Date(now.getTime() - 2 * dayMs).toISOString();

function breaches(count: number, keepLast: number, gone = 0) {
  const backups = backupsEvery(24, { count, until });
  const decisions = keepBackups(backups, { keepLast }, { now });
  return breachesOfDailyLimit(decisions, { now, gone: new Map([["db1/shop", gone]]) });
}

test("breachesOfDailyLimit() lets a fifth go in a day, and no more", () => {
  assert.deepEqual(breaches(10, 8), []);
  assert.deepEqual(breaches(10, 7), [{ database: "db1/shop", going: 3, gone: 0, limit: 2 }]);
  assert.deepEqual(breaches(10, 10), []);
});

test("breachesOfDailyLimit() counts what went within the day", () => {
  assert.deepEqual(breaches(9, 8, 1), []);
  assert.deepEqual(breaches(9, 7, 1), [{ database: "db1/shop", going: 2, gone: 1, limit: 2 }]);
});

test("breachesOfDailyLimit() lets one go of few", () => {
  assert.deepEqual(breaches(3, 2), []);
  assert.equal(breaches(3, 1).length, 1);
  assert.equal(breaches(3, 2, 1).length, 1);
});

test("breachesOfDailyLimit() is not moved by a flood of new backups", () => {
  const flood = backupsEvery(0.01, { count: 500, until: now.toISOString() });
  const old = backupsEvery(24, { count: 10, until });
  const decisions = keepBackups([...old, ...flood], { keepLast: 5 }, { now });
  const gone = new Map<string, number>();
  assert.deepEqual(breachesOfDailyLimit(decisions, { now, gone }), [
    { database: "db1/shop", going: 10, gone: 0, limit: 2 },
  ]);
});

test("breachesOfDailyLimit() looks at each database on its own", () => {
  const big = backupsEvery(24, { count: 100, until });
  const rare = ["2026-01-01", "2026-02-01", "2026-03-01"].map((day) =>
    backupAt(`${day}T00:00Z`, { database: "rare" }),
  );
  const decisions = keepBackups([...big, ...rare], { keepLast: 1 }, { now });
  const names = breachesOfDailyLimit(decisions, { now, gone: new Map() });
  assert.deepEqual(
    names.map(({ database, going }) => [database, going]),
    [
      ["db1/shop", 99],
      ["rare", 2],
    ],
  );
});
