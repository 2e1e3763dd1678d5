import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBackupBody } from "./backup-body.ts";

const bodyOf = (...tables: number[][]) => ({
  tool: "test",
  facts: {},
  position: {},
  list: {},
  tables: tables.map((streams) => ({ streams })),
});

test("parseBackupBody() takes a body whose tables have all the streams, each once", () => {
  const body = bodyOf([2, 0], [], [1]);
  assert.equal(parseBackupBody({ body, streams: [0, 1, 2] }), body);
});

for (const [what, tables, streams] of [
  ["that is not there", [[0], [1]], [0]],
  ["twice", [[0], [0, 1]], [0, 1]],
  ["of no table", [[0]], [0, 1]],
  ["instead of another", [[0, 2]], [0, 1]],
] as const)
  test(`parseBackupBody() refuses a stream ${what}`, () => {
    const body = bodyOf(...tables.map((numbers) => [...numbers]));
    assert.throws(() => parseBackupBody({ body, streams }), { code: "repository-damaged" });
  });

test("parseBackupBody() tells a body that it does not know", () => {
  for (const body of [null, "x", { ...bodyOf(), tables: [{}] }, { ...bodyOf(), tool: 1 }])
    assert.throws(() => parseBackupBody({ body, streams: [] }), { code: "repository-newer" });
});
