import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { keepBackups, type Decision, type RetainedBackup } from "./keep-backups.ts";
import { describeReason } from "./keep-reason.ts";
import { defaultRule, type RetentionRule } from "./retention-rule.ts";
import { backupAt, backupsEvery, dayMs, histories, now, rules } from "./scratch-backups.ts";

const until = new Date(now.getTime() - 2 * dayMs).toISOString();
/** Old enough that no floor of age keeps them: the newest is two days old. */
const daily = (count: number) => backupsEvery(24, { count, until });

const keptIds = (decisions: readonly Decision[]) =>
  decisions.filter(({ kept }) => kept).map(({ backup }) => backup.id);
const keep = (backups: readonly RetainedBackup[], rule: RetentionRule) =>
  keptIds(keepBackups(backups, rule, { now }));
/** Why the backup of that id is kept. */
function why(id: string, decisions: readonly Decision[]): string[] {
  const found = decisions.find(({ backup }) => backup.id === id) ?? assert.fail(`${id} is there`);
  return found.reasons.map(describeReason);
}

describe("rules", () => {
  test("keepLast keeps the newest good ones; others do not count", () => {
    const [a, b, c, d] = daily(4).map((backup) => backup.id);
    const backups = daily(4).map((backup, n) =>
      n === 2 ? { ...backup, state: "partial" as const } : backup,
    );
    const decisions = keepBackups(backups, { keepLast: 2 }, { now });
    assert.deepEqual(keptIds(decisions), [b, d]);
    assert.deepEqual(why(d ?? "", decisions), ["newest 1 of 2", "newest good backup"]);
    assert.deepEqual(why(b ?? "", decisions), ["newest 2 of 2"]);
    assert.deepEqual(why(a ?? "", decisions), []);
    assert.deepEqual(why(c ?? "", decisions), []);
  });

  test("keepDays counts back from now, with a minimum of good ones (CAT-06)", () => {
    const backups = daily(50);
    assert.equal(keep(backups, { keepDays: 30, keepMin: 5 }).length, 29);
    const old = backups.slice(0, 10);
    const decisions = keepBackups(old, defaultRule, { now });
    assert.deepEqual(
      keptIds(decisions),
      old.slice(-5).map(({ id }) => id),
    );
    assert.deepEqual(why(old[5]?.id ?? "", decisions), ["newest 5 of at least 5"]);
  });

  test("the minimum counts per database and kind", () => {
    const rare = backupAt("2026-01-01T00:00Z", { id: "rare", database: "db2/rare" });
    const other = backupAt("2026-01-01T00:00Z", { id: "other", kind: "physical" });
    const kept = keep([...daily(50), rare, other], { keepDays: 3, keepMin: 1 });
    assert.deepEqual(kept.slice(-2), ["rare", "other"]);
    assert.equal(kept.length, 4);
  });

  test("keepWithinSeconds counts back from the newest good one, and keeps all within", () => {
    const old = backupsEvery(24, { count: 20, until: "2026-06-20T12:00:00.000Z" });
    const damaged = backupAt("2026-06-19T00:00Z", { state: "corrupted" });
    const decisions = keepBackups([...old, damaged], { keepWithinSeconds: 3 * 86_400 }, { now });
    assert.deepEqual(keptIds(decisions), [...old.slice(-4).map(({ id }) => id), damaged.id]);
    assert.deepEqual(why(damaged.id, decisions), ["within 3d of the newest good backup"]);
  });

  test("a backup at the very border of a span is kept", () => {
    const at = (ms: number) => new Date(now.getTime() - 7 * dayMs + ms).toISOString();
    const rule = { keepDays: 7, keepMin: 1 };
    const backups = [backupAt(at(-1)), backupAt(at(0)), backupAt(until)];
    assert.deepEqual(keep(backups, rule), [at(0), until]);
  });

  test("keepTags keeps what carries one of them, whatever it is", () => {
    const tagged = backupAt("2025-01-01T00:00Z", { tags: ["audit"], state: "partial" });
    const decisions = keepBackups(
      [tagged, ...daily(3)],
      { keepLast: 1, keepTags: ["audit"] },
      { now },
    );
    assert.deepEqual(why(tagged.id, decisions), ["tag audit"]);
    assert.equal(keptIds(decisions).length, 2);
  });

  test("a rule that would keep nothing of a database is refused there", () => {
    const partial = daily(3).map((backup) => ({ ...backup, state: "partial" as const }));
    const whole = daily(3).map((backup) => ({ ...backup, id: `b ${backup.id}`, database: "b" }));
    const decisions = keepBackups([...partial, ...whole], { keepLast: 1 }, { now });
    assert.deepEqual(keptIds(decisions), [...partial.map(({ id }) => id), whole[2]?.id]);
    assert.deepEqual(why(partial[0]?.id ?? "", decisions), [
      "the rule would keep nothing of this database",
    ]);
  });
});

describe("floors", () => {
  const rule = { keepTags: ["x"] };
  const tagged = backupAt("2025-01-01T00:00Z", { tags: ["x"] });
  const old = (changes: Partial<RetainedBackup>) => backupAt("2026-01-01T00:00Z", changes);
  const reasonsFor = (...backups: RetainedBackup[]) => {
    const decisions = keepBackups([tagged, ...backups], rule, { now });
    return backups.map(({ id }) => why(id, decisions));
  };

  test("the newest good one and the newest proved one stay, also behind broken ones", () => {
    const proved = backupAt("2026-01-01T00:00Z", { proved: true });
    const [good, newer] = ["2026-02-01T00:00Z", "2026-01-15T00:00Z"];
    const broken = backupAt("2026-03-01T00:00Z", { state: "corrupted", proved: true });
    const partial = backupAt("2026-02-15T00:00Z", { state: "partial" });
    assert.deepEqual(reasonsFor(proved, backupAt(good), backupAt(newer), broken, partial), [
      ["newest backup proved by a drill"],
      ["newest good backup"],
      [],
      ["newest backup"],
      [],
    ]);
  });

  test("nothing younger than 24 hours goes", () => {
    const at = (ms: number) => new Date(now.getTime() - dayMs + ms).toISOString();
    const newest = backupAt(at(2));
    assert.deepEqual(reasonsFor(backupAt(at(-1)), backupAt(at(0)), backupAt(at(1)), newest), [
      [],
      [],
      ["younger than 24 h"],
      ["newest good backup", "younger than 24 h"],
    ]);
  });

  test("holds, keep-until and locks keep for as long as they last", () => {
    const [past, future] = [new Date("2027-01-01"), new Date("2027-06-01")];
    const newest = backupAt(until);
    assert.deepEqual(
      reasonsFor(
        old({ id: "1", hold: "legal case" }),
        old({ id: "2", keepUntil: future }),
        old({ id: "3", lockedUntil: future }),
        old({ id: "4", keepUntil: past, lockedUntil: now }),
        old({ id: "5", keepUntil: new Date(Number.NaN) }),
        old({ id: "6", lockedUntil: new Date(Number.NaN) }),
        newest,
      ),
      [
        ["held: legal case"],
        ["to be kept until 2027-06-01T00:00:00.000Z"],
        ["locked until 2027-06-01T00:00:00.000Z"],
        [],
        ["to be kept until an unreadable time"],
        ["locked until an unreadable time"],
        ["newest good backup"],
      ],
    );
  });

  test("what has no time, or one in the future, is kept and stands for nothing", () => {
    const early = backupAt("2027-04-01T00:00Z", { proved: true });
    const rest = daily(3);
    const unknown = old({ id: "unknown", committed: undefined });
    const unreadable = old({ id: "unreadable", committed: new Date(Number.NaN) });
    const decisions = keepBackups([early, unknown, unreadable, ...rest], { keepLast: 1 }, { now });
    assert.deepEqual(why(early.id, decisions), [
      "its time 2027-04-01T00:00:00.000Z is in the future",
    ]);
    assert.deepEqual(why("unknown", decisions), ["when it was stored is not known"]);
    assert.deepEqual(why("unreadable", decisions), ["when it was stored is not known"]);
    assert.deepEqual(keptIds(decisions).slice(3), [rest[2]?.id]);
    assert.deepEqual(why(rest[2]?.id ?? "", decisions), ["newest 1 of 1", "newest good backup"]);
  });

  test("when no backup of a database is whole, damaged ones stay", () => {
    const damaged = daily(3).map((backup) => ({ ...backup, state: "corrupted" as const }));
    const decisions = keepBackups(damaged, { keepDays: 3, keepMin: 1 }, { now });
    assert.deepEqual(keptIds(decisions).length, 3);
    assert.deepEqual(why(damaged[0]?.id ?? "", decisions), ["no backup of this database is whole"]);
  });

  test("nothing of a database goes while it is frozen", () => {
    const backups = [
      ...daily(3),
      ...daily(3).map((b) => ({ ...b, id: `b${b.id}`, database: "b" })),
    ];
    const frozen = new Map([["b", "size fell by 90 %"]]);
    const decisions = keepBackups(backups, { keepLast: 1 }, { now, frozen });
    assert.equal(keptIds(decisions).length, 4);
    assert.deepEqual(why(backups[3]?.id ?? "", decisions), [
      "nothing of this database may go: size fell by 90 %",
    ]);
  });

  test("a base that the PITR window needs stays", () => {
    const backups = daily(10);
    const decisions = keepBackups(backups, { keepLast: 1, pitrWindowSeconds: 4 * 86_400 }, { now });
    // The newest two days old; the window begins at the third newest.
    assert.deepEqual(
      keptIds(decisions),
      backups.slice(-3).map(({ id }) => id),
    );
    assert.deepEqual(why(backups[7]?.id ?? "", decisions), [
      "needed to recover to any moment of the last 4d",
    ]);
  });
});

describe("for any history and rule", () => {
  const groupsOf = (backups: readonly RetainedBackup[]) => [
    ...Map.groupBy(backups, ({ database, kind }) => `${database} ${kind}`).values(),
  ];
  const hasCome = ({ committed }: RetainedBackup) => committed !== undefined && committed <= now;

  test("no database loses its last, its last good or its last proved backup", () => {
    fc.assert(
      fc.property(histories, rules, (history, rule) => {
        const kept = new Set(keep(history, rule));
        for (const group of groupsOf(history)) {
          const newest = (wanted: (backup: RetainedBackup) => boolean) =>
            group
              .filter((backup) => hasCome(backup) && wanted(backup))
              .reduce<number>((best, { committed }) => Math.max(best, Number(committed)), 0);
          const good = ({ state }: RetainedBackup) => state === "complete";
          for (const wanted of [() => true, good, (b: RetainedBackup) => good(b) && b.proved]) {
            const at = newest(wanted);
            if (at === 0) continue;
            const those = group.filter((b) => wanted(b) && Number(b.committed) === at);
            assert.ok(those.some(({ id }) => kept.has(id)));
          }
        }
      }),
    );
  });

  test("what is held, locked, young or of unknown time is never let go", () => {
    fc.assert(
      fc.property(histories, rules, (history, rule) => {
        for (const { kept, backup } of keepBackups(history, rule, { now })) {
          if (kept) continue;
          assert.ok(Number(backup.committed) <= now.getTime() - dayMs);
          assert.equal(backup.hold, undefined);
          for (const time of [backup.keepUntil, backup.lockedUntil])
            assert.ok(time === undefined || time <= now);
        }
      }),
    );
  });

  test("the order of the backups does not matter", () => {
    fc.assert(
      fc.property(
        histories.chain((history) =>
          fc.tuple(
            fc.constant(history),
            fc.shuffledSubarray(history, { minLength: history.length }),
          ),
        ),
        rules,
        ([history, shuffled], rule) => {
          const byId = (decisions: Decision[]) =>
            decisions.toSorted((a, b) => (a.backup.id < b.backup.id ? -1 : 1));
          assert.deepEqual(
            byId(keepBackups(shuffled, rule, { now })),
            byId(keepBackups(history, rule, { now })),
          );
        },
      ),
    );
  });

  test("databases and kinds do not touch each other", () => {
    fc.assert(
      fc.property(histories, rules, (history, rule) => {
        const alone = groupsOf(history).flatMap((group) => keep(group, rule));
        assert.deepEqual(alone.toSorted(), keep(history, rule).toSorted());
      }),
    );
  });

  test("a higher count keeps all that a lower one keeps", () => {
    const counts = ["keepLast", "keepMin", "daily", "weekly", "monthly", "yearly"] as const;
    const tier = fc.constantFrom(...counts);
    const property = (history: RetainedBackup[], name: (typeof counts)[number], n: number) => {
      const gfs = { daily: 0, weekly: 0, monthly: 0, yearly: 0 };
      const rest = { weekday: 3, monthDay: 0, zone: "UTC" };
      const ruleOf = (count: number): RetentionRule =>
        name === "keepLast" || name === "keepMin"
          ? { [name]: count }
          : { gfs: { ...gfs, ...rest, [name]: count } };
      const more = new Set(keep(history, ruleOf(n + 1)));
      for (const id of keep(history, ruleOf(n))) assert.ok(more.has(id), `${name} ${n} ${id}`);
    };
    fc.assert(fc.property(histories, tier, fc.integer({ min: 1, max: 30 }), property));
  });

  test("one more part of a rule keeps all that was kept without it", () => {
    const property = (history: RetainedBackup[], rule: RetentionRule, more: RetentionRule) => {
      // Where a rule alone would keep nothing, it is refused, and all is kept.
      const judged = keepBackups(history, rule, { now });
      const refused = judged.some(({ reasons }) =>
        reasons.some(({ kind }) => kind === "nothing-kept"),
      );
      fc.pre(!refused);
      const both = new Set(keep(history, { ...more, ...rule }));
      for (const id of keptIds(judged)) assert.ok(both.has(id));
    };
    fc.assert(fc.property(histories, rules, rules, property));
  });

  test("time alone lets nothing go that a count keeps", () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 9 }), fc.nat({ max: 900 }), (h, n, days) => {
        const rule = { keepLast: n };
        const wasRefused = (decisions: Decision[]) =>
          decisions.some(({ reasons }) => reasons.some(({ kind }) => kind === "nothing-kept"));
        const known = h.filter(
          (b) => hasCome(b) && b.keepUntil === undefined && b.lockedUntil === undefined,
        );
        const first = keepBackups(known, rule, { now });
        fc.pre(!wasRefused(first));
        const later = new Date(now.getTime() + days * dayMs);
        const young = ({ committed }: RetainedBackup) => Number(committed) > now.getTime() - dayMs;
        const again = new Set(keptIds(keepBackups(known, rule, { now: later })));
        for (const { kept, backup, reasons } of first)
          if (kept && !(young(backup) && reasons.length === 1)) assert.ok(again.has(backup.id));
      }),
    );
  });
});
