import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { ScriptSession } from "../engines/script-target.ts";
import { ImportLanes, type Occupation } from "./import-lanes.ts";

/** Sessions that only note that they were closed, and work that ends when it is told to. */
function scratchLanes(count: number) {
  const closed: number[] = [];
  const log: string[] = [];
  const sessions = Array.from({ length: count }, (_, n): ScriptSession & { n: number } => ({
    n,
    run: () => Promise.resolve(),
    runAll: () => Promise.resolve(),
    copy: () => Promise.resolve(0),
    [Symbol.asyncDispose]: () => Promise.resolve(void closed.push(n)),
  }));
  const lanes = new ImportLanes(sessions);
  const work = (name: string) => {
    const end = Promise.withResolvers<void>();
    const run = async () => {
      log.push(`${name} begins`);
      await end.promise;
      log.push(`${name} ends`);
    };
    return { run, end: end.resolve, fail: (error: Error) => end.reject(error) };
  };
  return { lanes, closed, log, work };
}

const rows = (table: string): Occupation => ({ kind: "rows", table });
const table = (name: string): Occupation => ({ kind: "table", table: name });

describe("ImportLanes", () => {
  test("rows run side by side, as many as there are sessions", async () => {
    const { lanes, log, work } = scratchLanes(2);
    const [a, b, c] = [work("a"), work("b"), work("c")];
    await lanes.begin(rows("t"), a.run);
    await lanes.begin(rows("t"), b.run);
    const third = lanes.begin(rows("u"), c.run);
    await turn();
    assert.deepEqual(log, ["a begins", "b begins"]);
    b.end();
    await third;
    assert.deepEqual(log, ["a begins", "b begins", "b ends", "c begins"]);
    a.end();
    c.end();
    await lanes.settle();
  });

  test("what changes a table waits for that table's rows, and for nothing else", async () => {
    const { lanes, log, work } = scratchLanes(3);
    const [a, b, c] = [work("a"), work("b"), work("c")];
    await lanes.begin(rows("t"), a.run);
    await lanes.begin(table("u"), b.run);
    const third = lanes.begin(table("t"), c.run);
    await turn();
    assert.deepEqual(log, ["a begins", "b begins"]);
    a.end();
    await third;
    b.end();
    c.end();
    await lanes.settle();
  });

  test("what is run alone or everywhere waits for all, and all for it", async () => {
    const { lanes, log, work } = scratchLanes(2);
    const a = work("a");
    await lanes.begin(rows("t"), a.run);
    const alone = lanes.alone(() => Promise.resolve(void log.push("alone")));
    await turn();
    assert.deepEqual(log, ["a begins"]);
    a.end();
    await alone;
    await lanes.everywhere(() => Promise.resolve(void log.push("each")));
    assert.deepEqual(log, ["a begins", "a ends", "alone", "each", "each"]);
  });

  test("after a failure nothing more begins, and all sessions are closed", async () => {
    const { lanes, closed, work } = scratchLanes(2);
    const a = work("a");
    await lanes.begin(rows("t"), a.run);
    a.fail(new Error("no room"));
    await turn();
    await assert.rejects(lanes.begin(rows("u"), work("b").run), /no room/);
    await assert.rejects(lanes.alone(work("c").run), /no room/);
    await lanes[Symbol.asyncDispose]();
    assert.deepEqual(
      closed.toSorted((a, b) => a - b),
      [0, 1],
    );
  });
});
