import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";
import { nearestName } from "./nearest-name.ts";
import { parseSelector, selects } from "./selector.ts";

const shop = {
  host: "db7",
  instance: "main",
  database: "shop",
  engine: "postgres",
  labels: { env: "prod", "team.org/x": "a", host: "liar" },
};

const table: [selector: string, selected: boolean][] = [
  ["env=prod", true],
  ["env = prod", true],
  ["env=test", false],
  ["env!=test", true],
  ["env!=prod", false],
  ["tier!=gold", true],
  ["tier=gold", false],
  ["env in (test,prod)", true],
  ["env in ( test , prod ),host=db7", true],
  ["env not in (test,prod)", false],
  ["engine=postgres,database=shop,instance=main", true],
  ["host=liar", false],
  ["team.org/x=a", true],
  ["constructor=a", false],
  ["env=prod,env=test", false],
];
for (const [text, selected] of table)
  test(`selects() with ${text} is ${selected}`, () => {
    assert.equal(selects(parseSelector(text), shop), selected);
  });

for (const text of [
  "",
  " ",
  ",",
  "env",
  "env=",
  "=prod",
  "env=prod,",
  "env in prod",
  "env in ()",
  "env in (a,)",
  "env==prod",
  "env=a b",
  "env in (a",
  "inx (a)",
])
  test(`parseSelector() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseSelector(text), SyntaxError);
  });

test("parseSelector() takes or refuses any text with a sentence", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        assert.ok(parseSelector(text).length > 0);
      } catch (error) {
        assert.ok(error instanceof SyntaxError && error.message !== "");
      }
    }),
  );
});

test("parseDuration() reads what formatDuration() writes", () => {
  assert.deepEqual(["30s", "15m", "36h", "7d"].map(parseDuration), [30, 900, 129_600, 604_800]);
  fc.assert(
    fc.property(fc.nat({ max: 100_000_000 }), (seconds) => {
      assert.equal(parseDuration(formatDuration(seconds)), seconds);
    }),
  );
});

test("parseDuration() shows both readings of a bare number", () => {
  assert.throws(() => parseDuration("30"), /30s for seconds or 30m for minutes/);
  for (const text of ["", "m", "1.5h", "-1h", "1w", "1 h", "1h30m"])
    assert.throws(() => parseDuration(text), SyntaxError);
});

test("nearestName() finds what was meant, and nothing that is far", () => {
  assert.equal(nearestName("shcedule", ["select", "schedule", "name"]), "schedule");
  assert.equal(nearestName("Retention", ["retention"]), "retention");
  assert.equal(nearestName("colour", ["select", "schedule", "name"]), undefined);
  assert.equal(nearestName("x", []), undefined);
});
