import assert from "node:assert/strict";
import { test } from "node:test";
import { comparePostgres } from "../fixtures/compare-databases.ts";
import { psql } from "../fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "../fixtures/postgres-server.ts";
import { type DbctlScratch, makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { assertListedAreWhole, killAfter, timeOf, waitForNone } from "./kill-after.ts";

const kills = 30;

const data = `
  create table events (id int primary key, body text);
  insert into events select n, repeat(md5(n::text), 10) from generate_series(1, 120000) n;
  create table small (id int primary key, of int references events);
  insert into small select n, n from generate_series(1, 5000) n;
  create index on events (md5(body));`;

test(`kill -9 of a backup at ${kills} random moments leaves no half backup and no session`, async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database source");
  await psql(server, "source", data);
  const backup = ["backup", server.url("source"), "--repo", dbctl.repo];
  const whole = await timeOf(() => dbctl.ok(...backup));
  let killed = 0;
  for (let n = 0; n < kills; n++) {
    // New rows each time: otherwise everything is known and there is nothing to interrupt.
    await psql(server, "source", "update events set body = md5(body || random()) where id % 3 = 0");
    if (await killAfter(dbctl, backup, (n / kills) * whole)) killed++;
    await waitForNoSessions(server);
    await assertListedAreWhole(dbctl, { deeply: n % 10 === 9 });
  }
  assert.ok(killed > kills / 2, `only ${killed} of ${kills} were under way when they were killed`);
  await dbctl.ok(...backup);
  await dbctl.ok("verify", "latest", "--repo", dbctl.repo, "--identity", dbctl.identity);
  await restore(dbctl, server, "copy");
  assert.deepEqual(await comparePostgres(at(server, "source"), at(server, "copy")), []);
});

test("kill -9 of a restore at random moments: a second try into a fresh target is exact", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database source");
  await psql(server, "source", data);
  await dbctl.ok("backup", server.url("source"), "--repo", dbctl.repo);
  const whole = await timeOf(() => restore(dbctl, server, "copy"));
  for (let n = 0; n < 10; n++) {
    const target = ["--identity", dbctl.identity, "--to", server.url(`killed${n}`), "--create"];
    await killAfter(
      dbctl,
      ["restore", "latest", "--repo", dbctl.repo, ...target],
      (n / 10) * whole,
    );
    await waitForNoSessions(server);
    await psql(server, "postgres", `drop database if exists killed${n}`);
  }
  await restore(dbctl, server, "again");
  assert.deepEqual(await comparePostgres(at(server, "source"), at(server, "again")), []);
});

const at = (server: PostgresServer, database: string) => ({ server, database });

async function restore(dbctl: DbctlScratch, server: PostgresServer, name: string): Promise<void> {
  const target = ["--identity", dbctl.identity, "--to", server.url(name), "--create"];
  await dbctl.ok("restore", "latest", "--repo", dbctl.repo, ...target);
}

function waitForNoSessions(server: PostgresServer): Promise<void> {
  const query = "select count(*) from pg_stat_activity where application_name = 'dbctl'";
  return waitForNone("sessions", async () => Number(await psql(server, "postgres", query)));
}
