import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryDatabase, createMemoryEngine } from "../engines/memory/engine.ts";
import { makeMemoryScratch } from "./memory-scratch.ts";

test("backUpDatabase() and restoreBackup() bring every row back", async () => {
  await using scratch = await makeMemoryScratch();
  const rows = Array.from({ length: 1234 }, (_, n) => `row ${n}`);
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: rows, empty: [] }));
  const { header, rows: counted } = await scratch.backUp("shop");
  assert.equal(header.state, "complete");
  assert.equal(counted, 1234n);
  await scratch.restore(header.id, "copy");
  const copy = scratch.server.databases.get("copy");
  assert.deepEqual(copy?.tables.get("orders")?.toSorted(), rows.toSorted());
  assert.deepEqual(copy?.tables.get("empty"), []);
  assert.equal(scratch.server.sessions, 0);
});

test("backUpDatabase() stores nothing new when nothing has changed", async () => {
  await using scratch = await makeMemoryScratch();
  const rows = Array.from({ length: 500 }, (_, n) => `row ${n}`);
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: rows }));
  const first = await scratch.backUp("shop");
  const second = await scratch.backUp("shop");
  assert.ok(first.header.sizes.new > 0);
  assert.equal(second.header.sizes.new, 0);
  assert.equal(second.header.sizes.read, first.header.sizes.read);
});

test("backUpDatabase() fails by name when an object is unknown, unless that is allowed", async () => {
  await using scratch = await makeMemoryScratch();
  const shop = createMemoryDatabase({ orders: ["1"] });
  shop.oddities.push("moon phase");
  scratch.server.databases.set("shop", shop);
  await assert.rejects(scratch.backUp("shop"), {
    code: "object-unsupported",
    message: /moon phase/,
  });
  assert.deepEqual(await scratch.list(), []);
  const { header, missing } = await scratch.backUp("shop", { allowMissing: true });
  assert.equal(header.state, "partial");
  assert.deepEqual(
    missing.map(({ name }) => name),
    ["moon phase"],
  );
});

test("backUpDatabase() lists nothing when a reader fails, and a later run converges", async () => {
  await using scratch = await makeMemoryScratch();
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: ["1", "2", "3"] }));
  const engine = createMemoryEngine(scratch.server, "shop");
  const openReader: typeof engine.openReader = async (ticket, options) => {
    const reader = await engine.openReader(ticket, options);
    reader.readPart = () => Promise.reject(new Error("disk on fire"));
    return reader;
  };
  await assert.rejects(
    scratch.backUp("shop", { engine: { ...engine, openReader } }),
    /disk on fire/,
  );
  assert.deepEqual(await scratch.list(), []);
  assert.equal(scratch.server.sessions, 0);
  const { header } = await scratch.backUp("shop");
  await scratch.restore(header.id, "copy");
});

test("backUpDatabase() fails when the snapshot was lost on the way", async () => {
  await using scratch = await makeMemoryScratch();
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: ["1"] }));
  const engine = createMemoryEngine(scratch.server, "shop");
  const openSnapshot: typeof engine.openSnapshot = async (options) => {
    const snapshot = await engine.openSnapshot(options);
    snapshot.assertAlive = () => Promise.reject(new Error("leader lost"));
    return snapshot;
  };
  await assert.rejects(
    scratch.backUp("shop", { engine: { ...engine, openSnapshot } }),
    /leader lost/,
  );
  assert.deepEqual(await scratch.list(), []);
});

test("an aborted backup ends with the signal's reason and lists nothing", async () => {
  await using scratch = await makeMemoryScratch();
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: ["1"] }));
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(scratch.backUp("shop", { signal }), /enough/);
  assert.deepEqual(await scratch.list(), []);
});
