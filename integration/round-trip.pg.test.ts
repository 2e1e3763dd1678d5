import assert from "node:assert/strict";
import { test } from "node:test";
import { comparePostgres } from "./fixtures/compare-databases.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";
import {
  createPostgresPartitions,
  createPostgresShop,
  createShopRoles,
} from "./fixtures/postgres-shop.ts";
import { psql } from "./fixtures/psql.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpPostgresSchema } from "./fixtures/schema-dump.ts";

test("a PostgreSQL shop comes back: rows, and the schema as pg_dump sees it", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database shop");
  const source = { server, database: "shop" };
  await createPostgresShop(source, { megabytes: 20 });
  await createPostgresPartitions(source, { rowCount: 5000 });
  const backup = await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo);
  assert.equal(backup.state, "complete");
  const to = ["--to", server.url("copy"), "--create", "--identity", dbctl.identity];
  const restored = await dbctl.ok("restore", backup.backup, "--repo", dbctl.repo, ...to);
  assert.equal(restored["rows"], backup["rows"]);
  const copy = { server, database: "copy" };
  assert.deepEqual(await comparePostgres(source, copy), []);
  assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(source));
});

test("a backup of PostgreSQL 15 restores into 17 and back into an empty database of 15", async () => {
  await using old = await startPostgres(15);
  await using young = await startPostgres(17);
  await using dbctl = await makeDbctlScratch();
  await psql(old, "postgres", "create database shop");
  const source = { server: old, database: "shop" };
  await createPostgresShop(source, { megabytes: 10 });
  await createShopRoles(young);
  const { repo, identity } = dbctl;
  await dbctl.ok("backup", old.url("shop"), "--repo", repo);
  const key = ["--repo", repo, "--identity", identity];
  await dbctl.ok("restore", "latest", ...key, "--to", young.url("copy"), "--create");
  assert.deepEqual(await comparePostgres(source, { server: young, database: "copy" }), []);
  await dbctl.ok("backup", young.url("copy"), "--repo", repo);
  await psql(old, "postgres", "create database again template template0");
  await dbctl.ok("restore", "latest", ...key, "--to", old.url("again"));
  assert.deepEqual(await comparePostgres(source, { server: old, database: "again" }), []);
});

test("latest is the newest of the repository, host/db:latest the newest of one database", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  for (const name of ["one", "two"]) {
    await psql(server, "postgres", `create database ${name}`);
    await psql(server, name, `create table in_${name} as select 1 as n`);
  }
  const backup = (name: string) => dbctl.ok("backup", server.url(name), "--repo", dbctl.repo);
  const first = await backup("one");
  const second = await backup("two");
  const show = (name: string) =>
    dbctl.ok("backups", "show", name, "--repo", dbctl.repo, "--identity", dbctl.identity);
  const { host } = first["source"] as { host: string };
  assert.equal((await show("latest")).backup, second.backup);
  assert.equal((await show(`${host}/one:latest`)).backup, first.backup);
  assert.equal((await show(first.backup.slice(0, -2))).backup, first.backup);
  const { backups } = await dbctl.ok("backups", "ls", "--repo", dbctl.repo);
  const ids = (backups as { backup: string }[]).map((one) => one.backup);
  assert.deepEqual(ids, [first.backup, second.backup]);
});
