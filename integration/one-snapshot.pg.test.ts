import assert from "node:assert/strict";
import { test } from "node:test";
import { psql } from "./fixtures/psql.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";

/** Two tables whose amounts always add up to zero, large enough for several parts and readers. */
const accounts = `
  create table debit (id int primary key, amount bigint not null, note text);
  create table credit (id int primary key, amount bigint not null, note text);
  insert into debit select n, 0, repeat(md5(n::text), 20) from generate_series(1, 150000) n;
  insert into credit select n, 0, repeat(md5(n::text), 20) from generate_series(1, 150000) n;`;

/** Moves amounts until it is told to stop; a commit for every move. */
const transfers = `
  do $$ declare a int; b int; begin
    while not exists (select from stop) loop
      a := 1 + floor(random() * 150000);
      b := 1 + floor(random() * 150000);
      update debit set amount = amount - 7 where id = a;
      update credit set amount = amount + 7 where id = b;
      commit;
    end loop;
  end $$`;

test("a parallel backup amid transfers restores to a moment in which the sums agree", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database bank");
  await psql(server, "bank", accounts);
  await psql(server, "bank", "create table stop (now bool)");
  const moving = psql(server, "bank", transfers);
  const { repo, identity } = dbctl;
  try {
    for (const copy of ["copy1", "copy2"]) {
      await dbctl.ok("backup", server.url("bank"), "--repo", repo, "--jobs", "4");
      const to = ["--to", server.url(copy), "--create", "--identity", identity];
      await dbctl.ok("restore", "latest", "--repo", repo, ...to);
      const sums = "select (select sum(amount) from debit), (select sum(amount) from credit)";
      const [debit, credit] = (await psql(server, copy, sums)).split("|").map(Number);
      assert.equal((debit ?? NaN) + (credit ?? NaN), 0);
      assert.ok((credit ?? 0) > 0, "nothing was moved before the snapshot");
    }
  } finally {
    await psql(server, "bank", "insert into stop values (true)");
    await moving;
  }
});
