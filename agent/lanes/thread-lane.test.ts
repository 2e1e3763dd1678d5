import assert from "node:assert/strict";
import { test } from "node:test";
import { DbctlError } from "../../core/errors.ts";
import type { Part } from "../engines/engine.ts";
import { openThreadLane } from "./thread-lane.ts";

const script = new URL("./scratch-worker.ts", import.meta.url);
const { signal } = new AbortController();

test("openThreadLane() passes results and errors on as they are", async () => {
  await using lane = await openThreadLane(script, null, { signal });
  assert.deepEqual(await lane.finishPacks(), { packs: [{ pack: "p", size: 2 ** 40 }] });
  await assert.rejects(lane.openReader({ kind: "memory" }), {
    name: "DbctlError",
    code: "store-full",
    message: "Cannot go on: the disk is full",
    remedy: "Buy another one",
  });
});

test("openThreadLane() ends a silent call with the reason of its signal", async () => {
  const controller = new AbortController();
  await using lane = await openThreadLane(script, null, controller);
  const opening = lane.openLoader();
  controller.abort(new DbctlError("interrupted", "Cannot go on: enough", { remedy: "Rest" }));
  await assert.rejects(opening, { code: "interrupted", message: "Cannot go on: enough" });
});

test("openThreadLane() fails what was under way, and all that follows, when its thread ends", async () => {
  await using lane = await openThreadLane(script, null, { signal });
  const waiting = lane.openLoader();
  const storing = lane.storePart({} as Part);
  await assert.rejects(storing, { code: "internal-bug", message: /a data thread ended/ });
  await assert.rejects(waiting, { code: "internal-bug" });
  await assert.rejects(lane.finishPacks(), { code: "internal-bug" });
});

test("openThreadLane() tells when the thread could not close its lane", async () => {
  const lane = await openThreadLane(script, "stubborn", { signal });
  await assert.rejects(async () => await lane[Symbol.asyncDispose](), /the session stays open/);
});
