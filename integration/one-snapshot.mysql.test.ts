import assert from "node:assert/strict";
import { test } from "node:test";
import { mariadb } from "./fixtures/mariadb-client.ts";
import { startMariadb } from "./fixtures/mariadb-server.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";

/** Two tables whose amounts always add up to zero, large enough for several parts and readers. */
const accounts = `
  create table debit (id int primary key, amount bigint not null, note text);
  create table credit (id int primary key, amount bigint not null, note text);
  create table stop (now int);
  insert into debit select seq, 0, repeat(md5(seq), 20) from seq_1_to_150000;
  insert into credit select seq, 0, repeat(md5(seq), 20) from seq_1_to_150000;`;

/** Moves amounts until it is told to stop; a commit for every move. */
const transfers = `
  delimiter //
  begin not atomic
    declare a int;
    declare b int;
    while not exists (select 1 from stop) do
      set a = 1 + floor(rand() * 150000), b = 1 + floor(rand() * 150000);
      start transaction;
      update debit set amount = amount - 7 where id = a;
      update credit set amount = amount + 7 where id = b;
      commit;
    end while;
  end //`;

test("a parallel backup amid transfers restores to a moment in which the sums agree", async () => {
  await using server = await startMariadb();
  await using dbctl = await makeDbctlScratch();
  await mariadb(server, "", "create database bank");
  await mariadb(server, "bank", accounts);
  const moving = [mariadb(server, "bank", transfers), mariadb(server, "bank", transfers)];
  const { repo, identity } = dbctl;
  try {
    for (const copy of ["copy1", "copy2"]) {
      await dbctl.ok("backup", server.url("bank"), "--repo", repo, "--jobs", "4");
      const to = ["--to", server.url(copy), "--create", "--identity", identity];
      await dbctl.ok("restore", "latest", "--repo", repo, ...to);
      const sums = "select (select sum(amount) from debit), (select sum(amount) from credit)";
      const [debit, credit] = (await mariadb(server, copy, sums)).split("\t").map(Number);
      assert.equal((debit ?? NaN) + (credit ?? NaN), 0);
      assert.ok((credit ?? 0) > 0, "nothing was moved before the snapshot");
    }
  } finally {
    await mariadb(server, "bank", "insert into stop values (1)");
    await Promise.all(moving);
  }
});
