import assert from "node:assert/strict";
import { test } from "node:test";
import { compareMariadb } from "../fixtures/compare-databases.ts";
import { mariadb } from "../fixtures/mariadb-client.ts";
import { type MariadbServer, startMariadb } from "../fixtures/mariadb-server.ts";
import { makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { assertListedAreWhole, killAfter, timeOf, waitForNone } from "./kill-after.ts";

const kills = 10;

const data = `
  create table events (id int primary key, body text);
  insert into events select seq, repeat(md5(seq), 10) from seq_1_to_120000;
  create table small (id int primary key, of int, foreign key (of) references events (id));
  insert into small select seq, seq from seq_1_to_5000;`;

test(`kill -9 of a MariaDB backup or restore, ${kills} times: no lock or session stays, the next is exact`, async () => {
  await using server = await startMariadb();
  await using dbctl = await makeDbctlScratch();
  await mariadb(server, "", "create database source");
  await mariadb(server, "source", data);
  const { repo, identity } = dbctl;
  const backup = ["backup", server.url("source"), "--repo", repo];
  const restoreTo = (name: string) => {
    const target = ["--identity", identity, "--to", server.url(name), "--create"];
    return ["restore", "latest", "--repo", repo, ...target];
  };
  const backupMs = await timeOf(() => dbctl.ok(...backup));
  const restoreMs = await timeOf(() => dbctl.ok(...restoreTo("copy")));
  for (let n = 0; n < kills; n++) {
    await mariadb(
      server,
      "source",
      `update events set body = md5(concat(body, ${n})) where id % 3 = 0`,
    );
    await killAfter(dbctl, backup, (n / kills) * backupMs);
    await killAfter(dbctl, restoreTo(`killed${n}`), (n / kills) * restoreMs);
    await assertServerIsFree(server);
    await mariadb(server, "", `drop database if exists killed${n}`);
    await assertListedAreWhole(dbctl, { deeply: n % 5 === 4 });
  }
  await dbctl.ok(...backup);
  await dbctl.ok("verify", "latest", "--repo", repo, "--identity", identity);
  await dbctl.ok(...restoreTo("again"));
  const at = (database: string) => ({ server, database });
  assert.deepEqual(await compareMariadb(at("source"), at("again")), []);
});

/** No session but the one that asks, and no lock that keeps writes or DDL from being done at once. */
async function assertServerIsFree(server: MariadbServer): Promise<void> {
  const others =
    "select count(*) from information_schema.processlist where user = 'root' and id <> connection_id()";
  await waitForNone("sessions", async () => Number(await mariadb(server, "", others)));
  const write =
    "set lock_wait_timeout = 1; create table probe (n int); insert into probe values (1); drop table probe";
  await mariadb(server, "source", write);
}
