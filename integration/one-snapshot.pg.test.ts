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

/** Moves amounts for about ten seconds, or until its session is ended; a commit for every move. */
const transfers = `
  do $$ declare ending timestamptz := clock_timestamp() + interval '10 seconds'; begin
    while clock_timestamp() < ending loop
      update debit set amount = amount - 7 where id = 1 + floor(random() * 150000);
      update credit set amount = amount + 7 where id = 1 + floor(random() * 150000);
      commit;
    end loop;
  end $$`;

test("a parallel backup amid transfers restores to a moment in which the sums agree", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database bank");
  await psql(server, "bank", accounts);
  const moving = psql(server, "bank", transfers);
  const { repo, identity } = dbctl;
  for (const copy of ["copy1", "copy2"]) {
    await dbctl.ok("backup", server.url("bank"), "--repo", repo, "--jobs", "4");
    const to = ["--to", server.url(copy), "--create", "--identity", identity];
    await dbctl.ok("restore", "latest", "--repo", repo, ...to);
    const sum = "(select sum(amount) from debit), (select sum(amount) from credit)";
    const [debit = "", credit = ""] = (await psql(server, copy, `select ${sum}`)).split("|");
    assert.equal(Number(debit) + Number(credit), 0);
    assert.ok(Number(credit) > 0, "nothing was moved before the snapshot");
  }
  await moving;
});
