import assert from "node:assert/strict";
import { test } from "node:test";
import { printable } from "./printable.ts";

test("printable() shows what would move a cursor or break a line, and nothing else", () => {
  assert.equal(printable("a\n\u001b[2J\r\u009b\u202eb"), "a\\n\\u001b[2J\\u000d\\u009b\\u202eb");
  const fine = 'Größe 表 😀 "x" \\ é';
  assert.equal(printable(fine), fine);
});
