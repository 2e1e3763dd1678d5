import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";

async function scratch() {
  const folder = await mkdtemp(join(tmpdir(), "dbctl-catalog-"));
  const db = await openDatabase(join(folder, "catalog.db"));
  const dispose = async () => {
    await db[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  };
  return { db, [Symbol.asyncDispose]: dispose };
}

test("migrate() applies every migration once", async () => {
  await using it = await scratch();
  await migrate(it.db, new Date(0));
  await migrate(it.db, new Date(1));
  const rows = await it.db.all("select applied_at from migrations");
  assert.deepEqual(
    [...new Set(rows.map((row) => row["applied_at"]))],
    ["1970-01-01T00:00:00.000Z"],
  );
});

test("migrate() refuses a catalog that has a migration it does not know", async () => {
  await using it = await scratch();
  await migrate(it.db, new Date(0));
  await it.db.run("insert into migrations values ('9999-future.sql', 'later')");
  await assert.rejects(migrate(it.db, new Date(0)), { code: "config-invalid" });
});

test("transaction() leaves nothing of a work that throws, and others wait for their turn", async () => {
  await using it = await scratch();
  await it.db.script("create table t (n integer) strict");
  const failing = it.db.transaction(async (db) => {
    await db.run("insert into t values (1)");
    throw new Error("disk on fire");
  });
  const other = it.db.run("insert into t values (:n)", { n: 2 });
  await assert.rejects(failing, /disk on fire/);
  await other;
  assert.deepEqual(await it.db.all("select n from t"), [{ n: 2 }]);
});
