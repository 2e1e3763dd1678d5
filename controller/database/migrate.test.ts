import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
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

test("migrate() keeps what an older catalog knows, and what it knew of damage and verification", async () => {
  await using it = await scratch();
  const first = new URL("./migrations/0001-fleet.sql", import.meta.url);
  await it.db.script(await readFile(first, "utf8"));
  await it.db.script(`
    create table migrations (name text primary key, applied_at text not null) strict;
    insert into migrations values ('0001-fleet.sql', 'then');
    insert into jobs (id, kind, database, host, spec, state, state_document, not_before,
      requested_by, created_at, updated_at)
    values ('j', 'backup', 'h/d', 'h', '{"backup":{"repositoryUrl":"/srv"}}', 'succeeded', '{}',
      '1', 'ann', '1', '1');
    insert into backups (id, database, job_id, repository_url, state, started_at, committed_at,
      result, verified_at, damaged_at)
    values ('good', 'h/d', 'j', '/srv', 'complete', '1', '1', '{"instanceId":"i"}', '2', null),
      ('bad', 'h/d', 'j', '/srv', 'complete', '1', '1', '{}', null, '3'),
      ('new', 'h/d', 'j', '/srv', 'complete', '1', '1', '{}', null, null)`);
  await migrate(it.db, new Date(0));
  const rows = await it.db.all(
    `select id, checked_at, checked_depth, damaged_depth, instance_id, deleted_at from backups
     order by id desc`,
  );
  const none = { checked_at: null, checked_depth: null, damaged_depth: null, deleted_at: null };
  const full = { ...none, checked_depth: "full" };
  assert.deepEqual(rows, [
    { ...none, id: "new", instance_id: "" },
    { ...full, id: "good", checked_at: "2", instance_id: "i" },
    { ...full, id: "bad", checked_at: "3", damaged_depth: "full", instance_id: "" },
  ]);
  assert.deepEqual(await it.db.all("select repository_url from jobs"), [
    { repository_url: "/srv" },
  ]);
});
