import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine, PartReader } from "../engines/engine.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { DataLane } from "./data-lane.ts";

test("a session that is opened while the lane is closed does not stay open", async () => {
  const opening = Promise.withResolvers<PartReader>();
  let isOpen = true;
  const reader: PartReader = {
    readPart: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => {
      isOpen = false;
    },
  };
  const epoch = { repository: "r", instance: "i", epoch: "e", key: new Uint8Array(32) };
  const lane = new DataLane({
    engine: { openReader: () => opening.promise } as Partial<Engine> as Engine,
    store: createMemoryStore(),
    use: { kind: "restore", epoch },
    signal: new AbortController().signal,
  });
  const opened = lane.openReader({ kind: "memory" });
  await lane[Symbol.asyncDispose]();
  opening.resolve(reader);
  await assert.rejects(opened);
  assert.equal(isOpen, false);
});
