import assert from "node:assert/strict";
import { test } from "node:test";
import { type MarkState, unmarked } from "../repository/mark-state.ts";
import { judgeBackup } from "./judge-backup.ts";

const hourMs = 3600 * 1000;
const now = new Date("2026-11-20T10:00:00.000Z");
const at = (hours: number) => new Date(+now + hours * hourMs);
const said = { at: at(-100), by: "ann", reason: "" };
const deleted = { ...said, until: at(-1) };

function decide(marks: Partial<MarkState>, created: Date | undefined = at(-1000)) {
  return judgeBackup({ ...unmarked, ...marks }, { created, now });
}

test("a backup goes when its window has passed, and nothing holds it", () => {
  assert.deepEqual(decide({}), { act: "keep", why: "wanted" });
  assert.deepEqual(decide({ deleted }), { act: "remove", why: "deleted" });
  const still = { ...said, until: at(1) };
  assert.deepEqual(decide({ deleted: still }), {
    act: "wait",
    why: "undelete-window",
    until: at(1),
  });
  assert.deepEqual(decide({ deleted, held: said }), { act: "keep", why: "held" });
});

test("a backup younger than a day by the store's clock waits, whatever its window was", () => {
  assert.deepEqual(decide({ deleted }, at(-23)), { act: "wait", why: "young", until: at(1) });
  assert.deepEqual(decide({ deleted }, at(-24)), { act: "remove", why: "deleted" });
});

test("a removal that was begun is finished", () => {
  assert.equal(decide({ removing: said, held: said }).act, "remove");
});
