import assert from "node:assert/strict";
import { test } from "node:test";
import { idPattern, newId } from "./ids.ts";

test("newId() gives 20 letters, none twice", () => {
  const ids = Array.from({ length: 1000 }, () => newId());
  assert.equal(new Set(ids).size, 1000);
  for (const id of ids) assert.match(id, idPattern);
});

test("newId() sorts by time, over every carry", () => {
  const times = [0, 1, 31, 32, 1023, 1024, 2 ** 40, 2 ** 47, 2 ** 48 - 1];
  const ids = times.map((at) => newId(at));
  assert.deepEqual(ids.toSorted(), ids);
});
