import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
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
