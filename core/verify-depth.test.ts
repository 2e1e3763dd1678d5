import assert from "node:assert/strict";
import { test } from "node:test";
import { formatVerifyDepth, parseVerifyDepth } from "./verify-depth.ts";

test("parseVerifyDepth() reads what formatVerifyDepth() writes", () => {
  for (const text of ["quick", "index", "full", "sample=5%", "sample=0.5%", "sample=100%"])
    assert.equal(formatVerifyDepth(parseVerifyDepth(text)), text);
  assert.deepEqual(parseVerifyDepth("sample=5"), { kind: "sample", percent: 5 });
  assert.deepEqual(parseVerifyDepth(""), { kind: "full" });
});

test("parseVerifyDepth() refuses what is no depth", () => {
  for (const text of ["deep", "sample", "sample=0%", "sample=101%", "sample=5%%", "full "])
    assert.throws(() => parseVerifyDepth(text), SyntaxError, text);
});
