import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatSeconds, formatTable } from "./format.ts";

for (const [bytes, text] of [
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [99_400, "99.4 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [12_345_678_901, "12.3 GB"],
] as const)
  test(`formatBytes() prints ${bytes} as ${text}`, () => {
    assert.equal(formatBytes(bytes), text);
  });

for (const [seconds, text] of [
  [0.04, "0.0 s"],
  [9.94, "9.9 s"],
  [59.4, "59 s"],
  [185, "3 m 05 s"],
  [7800, "2 h 10 m"],
] as const)
  test(`formatSeconds() prints ${seconds} as ${text}`, () => {
    assert.equal(formatSeconds(seconds), text);
  });

test("formatTable() aligns the columns and leaves no space at the end", () => {
  const rows = [
    ["A", "LONG"],
    ["aaa", "b"],
  ];
  assert.deepEqual(formatTable(rows), ["A    LONG", "aaa  b"]);
});
