import assert from "node:assert/strict";
import { test } from "node:test";
import { psql } from "./fixtures/psql.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";

const rows = 600_000;

const data = `
  create table events (id bigint primary key, at timestamptz, who text, body text);
  insert into events
    select n, timestamptz '2026-01-01' + n * interval '1 second', md5((n % 1000)::text),
           md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text)
    from generate_series(1, ${rows}) n;`;

/** 1 % new rows, and 1 % of the rows updated, all among the newest tenth. */
const change = `
  insert into events
    select n, now(), md5(n::text), md5(n::text) || md5((n + 7)::text)
    from generate_series(${rows} + 1, ${rows} + ${rows} / 100) n;
  update events set body = md5(body) || body
    where id in (select ${rows} - n * 10 from generate_series(0, ${rows} / 100 - 1) n);`;

test("a second backup stores what has changed, and next to nothing when nothing has", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database source");
  await psql(server, "source", data);
  const backup = () => dbctl.ok("backup", server.url("source"), "--repo", dbctl.repo);
  const first = await backup();
  const unchanged = await backup();
  const share = (part: number, whole: number) => `${((part / whole) * 100).toFixed(2)} %`;
  assert.equal(unchanged.bytes.new, 0);
  const chunks = unchanged["chunks"] as { all: number; new: number; known: number };
  assert.deepEqual([chunks.new, chunks.known], [0, chunks.all]);
  assert.ok(chunks.all > 10);
  const stored = unchanged.bytes.stored / first.bytes.stored;
  assert.ok(stored < 0.01, `unchanged: ${share(unchanged.bytes.stored, first.bytes.stored)}`);
  await psql(server, "source", change);
  const changed = await backup();
  const again = changed.bytes.stored / first.bytes.stored;
  assert.ok(again < 0.15, `changed: ${share(changed.bytes.stored, first.bytes.stored)}`);
  assert.ok(changed.bytes.new > 0);
});

test("a fresh epoch stores everything again", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database source");
  await psql(server, "source", "create table t as select n from generate_series(1, 100000) n");
  const backup = ["backup", server.url("source"), "--repo", dbctl.repo];
  const first = await dbctl.ok(...backup);
  const fresh = await dbctl.ok(...backup, "--fresh-epoch");
  assert.notEqual(fresh["epoch"], first["epoch"]);
  assert.equal(fresh.bytes.new, first.bytes.new);
});
