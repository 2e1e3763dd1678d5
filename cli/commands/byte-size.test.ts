import assert from "node:assert/strict";
import { test } from "node:test";
import { parseByteSize } from "./byte-size.ts";

test("parseByteSize() tells powers of 1000 from powers of 1024", () => {
  const read = ["512B", "1kB", "20GB", "1KiB", "20GiB", "1.5 TB", "0B"].map(parseByteSize);
  assert.deepEqual(read, [512, 1000, 20e9, 1024, 20 * 2 ** 30, 1.5e12, 0]);
});

test("parseByteSize() refuses what can be read in two ways, or in none", () => {
  assert.throws(() => parseByteSize("20"), /20B for bytes or 20GB/);
  for (const text of ["", "20G", "20gb", "20Gb", "1iB", "-1B", "1e3B", "GB"])
    assert.throws(() => parseByteSize(text), SyntaxError);
});
