import fc from "fast-check";
import type { RetainedBackup } from "./keep-backups.ts";
import type { RetentionRule } from "./retention-rule.ts";

// Made-up backups and rules for the tests of retention.

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** A good backup of db1/shop at that time, named after it unless told otherwise. */
export function backupAt(time: string, changes: Partial<RetainedBackup> = {}): RetainedBackup {
  const facts = { state: "complete", verified: false, proved: false, tags: [] } as const;
  const committed = new Date(time);
  return { id: time, database: "db1/shop", kind: "logical", committed, ...facts, ...changes };
}

/** One good backup each so many hours, the last at `until`, the oldest first. */
export function backupsEvery(
  hours: number,
  { count, until }: { count: number; until: string },
): RetainedBackup[] {
  const end = Date.parse(until);
  return Array.from({ length: count }, (_, n) =>
    backupAt(new Date(end - (count - 1 - n) * hours * hourMs).toISOString()),
  );
}

/** The moment at which made-up histories are judged. */
export const now = new Date("2027-03-31T12:00:00.000Z");

/** Moments within 900 days before `now`, often several on one day, some at midnight. */
const moments = fc
  .tuple(
    fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 900 })),
    fc.oneof(fc.nat({ max: 24 * 60 }), fc.constantFrom(0, 12 * 60, 24 * 60)),
  )
  .map(([days, minutes]) => new Date(now.getTime() - days * dayMs - minutes * 60_000));

const oneBackup: fc.Arbitrary<RetainedBackup> = fc.record(
  {
    id: fc.uuid(),
    database: fc.constantFrom("a", "a", "b"),
    kind: fc.constantFrom("logical", "logical", "physical"),
    committed: fc.oneof(
      { weight: 30, arbitrary: moments },
      { weight: 1, arbitrary: fc.constantFrom(undefined, new Date(Number.NaN)) },
      { weight: 1, arbitrary: moments.map((at) => new Date(2 * now.getTime() - at.getTime())) },
    ),
    state: fc.constantFrom("complete", "complete", "complete", "partial", "corrupted"),
    verified: fc.boolean(),
    proved: fc.boolean(),
    tags: fc.subarray(["x", "y"]),
    hold: fc.option(fc.constant("case"), { nil: undefined, freq: 20 }),
    keepUntil: fc.option(moments, { nil: undefined, freq: 20 }),
    lockedUntil: fc.option(fc.constant(new Date("2027-05-01")), { nil: undefined, freq: 20 }),
    logReaches: fc.option(moments, { nil: undefined }),
  },
  { noNullPrototype: true },
);

export const histories: fc.Arbitrary<RetainedBackup[]> = fc.uniqueArray(oneBackup, {
  maxLength: 60,
  size: "max",
  selector: ({ id }) => id,
});

const tierCount = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }));

export const gfsRules = fc
  .record(
    {
      daily: tierCount,
      weekly: tierCount,
      monthly: tierCount,
      yearly: tierCount,
      weekday: fc.integer({ min: 1, max: 7 }),
      monthDay: fc.integer({ min: 0, max: 31 }),
      zone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"),
    },
    { noNullPrototype: true },
  )
  .filter(({ daily, weekly, monthly, yearly }) => daily + weekly + monthly + yearly > 0);

const count = fc.integer({ min: 1, max: 20 });
const seconds = fc.integer({ min: 1, max: 400 }).map((days) => days * 86_400);

export const rules: fc.Arbitrary<RetentionRule> = fc
  .record(
    {
      keepLast: count,
      keepWithinSeconds: seconds,
      age: fc.record({ keepDays: count, keepMin: count }, { noNullPrototype: true }),
      gfs: gfsRules,
      keepTags: fc.subarray(["x", "y"], { minLength: 1 }),
      pitrWindowSeconds: seconds,
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .filter((parts) => Object.keys(parts).length > 0)
  .map(({ age, ...rule }) => ({ ...rule, ...age }));
