import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { comparePostgres } from "../fixtures/compare-databases.ts";
import { psql } from "../fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "../fixtures/postgres-server.ts";
import { type DbctlScratch, makeDbctlScratch } from "../fixtures/run-dbctl.ts";

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
    await assertAllWhole(dbctl, { sample: n % 10 === 9 });
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

async function timeOf(act: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return performance.now() - startedAt;
}

async function restore(dbctl: DbctlScratch, server: PostgresServer, name: string): Promise<void> {
  const target = ["--identity", dbctl.identity, "--to", server.url(name), "--create"];
  await dbctl.ok("restore", "latest", "--repo", dbctl.repo, ...target);
}

/** True when the process was still running. */
async function killAfter(dbctl: DbctlScratch, args: string[], delayMs: number): Promise<boolean> {
  const child = dbctl.start(...args);
  child.stdout?.resume();
  child.stderr?.resume();
  const closed = once(child, "close");
  await Promise.race([sleep(delayMs), closed]);
  const running = child.exitCode === null;
  child.kill("SIGKILL");
  await closed;
  return running;
}

async function waitForNoSessions(server: PostgresServer): Promise<void> {
  const query = "select count(*) from pg_stat_activity where application_name = 'dbctl'";
  for (let n = 0; (await psql(server, "postgres", query)) !== "0"; n++) {
    assert.ok(n < 250, "sessions stay on the server");
    await sleep(20);
  }
}

/** Whatever is listed is a whole backup. */
async function assertAllWhole(dbctl: DbctlScratch, { sample }: { sample: boolean }): Promise<void> {
  const { backups } = await dbctl.ok("backups", "ls", "--repo", dbctl.repo);
  assert.ok(Array.isArray(backups) && backups.length > 0);
  if (!sample) return;
  for (const { backup } of backups.slice(-3) as { backup: string }[])
    await dbctl.ok("verify", backup, "--repo", dbctl.repo, "--identity", dbctl.identity);
}
