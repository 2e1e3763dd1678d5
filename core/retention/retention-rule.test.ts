import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatRule, parseRule, ruleOf, splitRuleText } from "./retention-rule.ts";
import { rules } from "./scratch-backups.ts";

const parse = (text: string) => parseRule(splitRuleText(text));

test("parseRule() reads every field", () => {
  const text =
    "keep-last=5, keep-within=14d, keep-days=30, keep-min=3, keep-daily=7, keep-weekly=4, " +
    "keep-monthly=12, keep-yearly=3, weekday=Wednesday, month-day=31, zone=Europe/Berlin, " +
    "keep-tag=release, keep-tag=a=b, pitr-window=36h";
  assert.deepEqual(parse(text), {
    keepLast: 5,
    keepWithinSeconds: 14 * 86_400,
    keepDays: 30,
    keepMin: 3,
    gfs: {
      daily: 7,
      weekly: 4,
      monthly: 12,
      yearly: 3,
      weekday: 3,
      monthDay: 31,
      zone: "Europe/Berlin",
    },
    keepTags: ["release", "a=b"],
    pitrWindowSeconds: 36 * 3600,
  });
});

test("parseRule() takes names without their prefix, and fills in what is usual", () => {
  const usual = { weekday: 7, monthDay: 1, zone: "UTC" };
  assert.deepEqual(parse("last=7"), { keepLast: 7 });
  assert.deepEqual(parse("days=10"), { keepDays: 10, keepMin: 5 });
  assert.deepEqual(parse("daily=7,weekly=4"), {
    gfs: { daily: 7, weekly: 4, monthly: 0, yearly: 0, ...usual },
  });
  assert.deepEqual(parse("gfs"), {
    gfs: { daily: 7, weekly: 4, monthly: 12, yearly: 3, ...usual },
  });
  assert.deepEqual(parse("gfs,yearly=10,weekday=mon").gfs, {
    ...usual,
    daily: 7,
    weekly: 4,
    monthly: 12,
    yearly: 10,
    weekday: 1,
  });
});

test("parseRule() names every fault at once", () => {
  assert.throws(
    () => parse("last=0,within=30,month-day=32,zone=Mars,weekday=someday,yaerly=2,tag=a b,last=x"),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "usage");
      for (const [name, what] of [
        ["keep-last", '"0" is not a whole number from 1 to 1000000'],
        ["keep-within", '"30" has no unit: write 30s for seconds or 30m for minutes'],
        ["month-day", '"32" is not a whole number from 0 to 31'],
        ["zone", '"Mars" is not a time zone'],
        ["weekday", '"someday" is not a day of the week'],
        ["yaerly", "it is not known; did you mean yearly?"],
        ["keep-tag", '"a b" is not a tag'],
        ["keep-last", '"x" is not a whole number'],
      ] as const)
        assert.ok(error.message.includes(`${name}: ${what}`), `${name} in ${error.message}`);
      return true;
    },
  );
});

describe("parseRule() refuses", () => {
  for (const [text, what] of [
    ["", /keeps nothing/],
    ["daily=0,weekly=0", /keeps nothing/],
    ["gfs=false", /keeps nothing/],
    ["last=3,last=4", /keep-last: it is given twice/],
    ["last=3,min=2", /keep-min: it goes with keep-days/],
    ["daily=3,weekday=mon", /weekday: it goes with keep-weekly/],
    ["weekly=3,month-day=0", /month-day: it goes with keep-monthly/],
    ["last=3,zone=UTC", /zone: it goes with/],
    ["within=101y", /not a time from 1s to 100y/],
    ["within=0d", /not a time from 1s to 100y/],
    ["last=-1", /"-1" is not a whole number/],
    ["last=1e3", /"1e3" is not/],
    ["colour=red", /known are keep-last, /],
    ["__proto__=1", /not known/],
    ["gfs=maybe", /neither true nor false/],
    ["tag=", /"" is not a tag/],
  ] as const)
    test(`"${text}"`, () => {
      assert.throws(() => parse(text), { code: "usage", message: what });
    });
});

test("formatRule() writes what parseRule() reads back", () => {
  fc.assert(
    fc.property(rules, (rule) => {
      const text = formatRule(rule);
      const again = parse(text);
      // What no tier uses has no effect and is not written.
      const { gfs } = again;
      assert.equal(formatRule(again), text);
      assert.deepEqual({ ...rule, gfs: undefined }, { ...again, gfs: undefined });
      for (const [tier, count] of Object.entries(rule.gfs ?? {}))
        if (typeof count === "number" && !["weekday", "monthDay"].includes(tier))
          assert.equal(gfs?.[tier as "daily"], count);
      if (rule.gfs !== undefined) assert.equal(gfs?.zone, rule.gfs.zone);
      if ((rule.gfs?.weekly ?? 0) > 0) assert.equal(gfs?.weekday, rule.gfs?.weekday);
      if ((rule.gfs?.yearly ?? 0) > 0) assert.equal(gfs?.monthDay, rule.gfs?.monthDay);
    }),
  );
});

test("ruleOf() begins days in the zone of the one who asks, unless one is named", () => {
  const zoneOf = (values: Parameters<typeof ruleOf>[0]) =>
    ruleOf(values, { zone: "Asia/Tokyo" }).rule.gfs?.zone;
  assert.equal(zoneOf({ "keep-daily": 3 }), "Asia/Tokyo");
  assert.equal(zoneOf({ "keep-daily": 3, zone: "UTC" }), "UTC");
});
