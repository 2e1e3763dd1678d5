import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { comparePostgres } from "../fixtures/compare-databases.ts";
import { type PostgresServer, startPostgres } from "../fixtures/postgres-server.ts";
import { createPostgresShop } from "../fixtures/postgres-shop.ts";
import { psql } from "../fixtures/psql.ts";
import { type DbctlScratch, finish, makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { dumpPostgresSchema } from "../fixtures/schema-dump.ts";
import { killAfter, timeOf } from "./kill-after.ts";

const kills = 4;

const stack = new AsyncDisposableStack();
let server: PostgresServer;
let dbctl: DbctlScratch;
let backup: string;
let wholeMs: number;

before(async () => {
  server = stack.use(await startPostgres(15));
  dbctl = stack.use(await makeDbctlScratch());
  await psql(server, "postgres", "create database shop");
  await createPostgresShop({ server, database: "shop" }, { megabytes: 30 });
  ({ backup } = await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo));
  wholeMs = await timeOf(() => dbctl.ok(...restoreTo("whole"), "--create"));
});
after(() => stack.disposeAsync());

function restoreTo(name: string): string[] {
  const { repo, identity } = dbctl;
  return ["restore", backup, "--repo", repo, "--identity", identity, "--to", server.url(name)];
}

async function assertExact(name: string): Promise<void> {
  const [source, copy] = [at("shop"), at(name)];
  assert.deepEqual(await comparePostgres(source, copy), []);
  assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(source));
}

const at = (database: string) => ({ server, database });
const ask = (sql: string, database = "postgres") => psql(server, database, sql);
const countOf = async (name: string) =>
  Number(await ask("select count(*) from dbctl_restore.step where name like 'stream%'", name));

test(`kill -9 of a restore at ${kills} moments, and of the one that goes on: it ends exact`, async (t) => {
  for (let n = 0; n < kills; n++) {
    const name = `killed${n}`;
    // Every other one while it loads, the others at any moment.
    const isLoading = n % 2 === 0;
    if (isLoading) await killAtPart(name, n + 1);
    else await killAfter(dbctl, [...restoreTo(name), "--create"], (n / kills) * wholeMs);
    await killAfter(dbctl, [...restoreTo(name), "--resume"], Math.random() * wholeMs);
    const last = await dbctl.run(...restoreTo(name), "--resume", "--json");
    if (last.code === 0) {
      const { resumedParts, parts } = last.document;
      t.diagnostic(`${String(resumedParts)} of ${String(parts)} parts were loaded already`);
    } else if (isLoading || (await isWhole(name))) {
      // The one before has come to its end.
      assert.equal(last.document.error.code, "restore-unknown", last.stderr);
    } else {
      // The first was killed before there was a journal.
      assert.match(last.document.error.code, /^(restore|database)-unknown$/, last.stderr);
      await ask(`drop database if exists ${name}`);
      await dbctl.ok(...restoreTo(name), "--create");
    }
    await assertExact(name);
    assert.equal(await ask("select to_regnamespace('dbctl_restore') is null", name), "t");
    await ask(`drop database ${name}`);
  }
});

async function killAtPart(name: string, parts: number): Promise<void> {
  const child = dbctl.start(...restoreTo(name), "--create");
  const ended = finish(child);
  await waitForParts(child, name, parts);
  child.kill("SIGKILL");
  const { code, stderr } = await ended;
  assert.ok(code === 128 || code === 0, stderr);
}

async function isWhole(name: string): Promise<boolean> {
  const there = "select to_regclass('shop.orders') is not null";
  return (await ask(there, name).catch(() => "f")) === "t";
}

test("a restore whose connection is cut says how to go on, and goes on", async () => {
  const child = dbctl.start(...restoreTo("cut"), "--create", "--json");
  const ended = finish(child);
  await waitForParts(child, "cut", 2);
  const loaders = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = 'cut' and application_name = 'dbctl' and state <> 'idle'`;
  while (child.exitCode === null && (await ask(loaders)) === "") await sleep(5);
  const { code, document } = await ended;
  assert.equal(code, 69, document.error.message);
  const { remedy } = document.error;
  assert.match(remedy, /At least \d+ of \d+ parts are loaded and kept/);
  const [resume = "", discard = ""] = [...remedy.matchAll(/`dbctl ([^`]*)`/g)].map(
    ([, one]) => one,
  );
  assert.ok(resume.endsWith(" --resume") && discard.endsWith(" --discard"), remedy);

  const other = await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo);
  const wrong = restoreTo("cut").map((word) => (word === backup ? other.backup : word));
  const refused = await dbctl.run(...wrong, "--resume", "--json");
  assert.equal(refused.document.error.code, "target-changed");
  const again = await dbctl.run("backup", server.url("cut"), "--repo", dbctl.repo, "--json");
  assert.equal(again.document.error.code, "object-unsupported");
  assert.match(again.document.error.message, /unfinished restore dbctl_restore/);

  const before = await countOf("cut");
  const done = await dbctl.ok(...words(resume));
  assert.equal(done["resumedParts"], before);
  await assertExact("cut");
});

/** As a shell would cut the line. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
}

test("a server that crashes during a restore loses no step that it has recorded", async () => {
  // Else the source's sequences, too, would skip values when the server recovers.
  await ask("checkpoint");
  const child = dbctl.start(...restoreTo("crash"), "--create", "--json");
  const ended = finish(child);
  await waitForParts(child, "crash", 2);
  const ours = "datname = 'crash' and application_name = 'dbctl'";
  const pid = await ask(`select pid from pg_stat_activity where ${ours} limit 1`);
  assert.match(pid, /^[1-9]/);
  // A process that dies so makes all others end, and the server recovers from its log.
  process.kill(Number(pid), "SIGKILL");
  assert.notEqual((await ended).code, 0);
  await waitForServer();
  const done = await dbctl.ok(...restoreTo("crash"), "--resume");
  assert.ok(Number(done["resumedParts"]) >= 2);
  await assertExact("crash");
});

test("a restore into a database that was there goes on, unless its tables were changed", async () => {
  await ask("create database mine");
  const child = dbctl.start(...restoreTo("mine"));
  const ended = finish(child);
  await waitForParts(child, "mine", 3);
  child.kill("SIGKILL");
  await ended;
  const refuse = async (code: string, ...flags: string[]) => {
    const { document } = await dbctl.run(...restoreTo("mine"), ...flags, "--json");
    assert.equal(document.error.code, code, document.error.message);
    return document.error;
  };
  const { message, remedy } = await refuse("target-not-empty");
  assert.match(message, /it holds an unfinished restore of backup 2/);
  assert.match(remedy, /--resume.*--discard/);
  await refuse("engine-refused", "--discard");
  await ask("create table public.stranger (id int primary key)", "mine");
  assert.match((await refuse("target-changed", "--resume")).message, /table stranger is not in/);
  await ask("drop table public.stranger", "mine");
  await dbctl.ok(...restoreTo("mine"), "--resume");
  await assertExact("mine");
});

test("Ctrl-C of a restore keeps what is loaded; --discard drops it", async () => {
  const child = dbctl.start(...restoreTo("stopped"), "--create", "--json");
  const ended = finish(child);
  await waitForParts(child, "stopped", 1);
  child.kill("SIGINT");
  const { code, document } = await ended;
  assert.equal(code, 130);
  assert.match(document.error.remedy, /parts are loaded and kept/);
  await dbctl.ok(...restoreTo("stopped"), "--discard");
  assert.equal(await ask("select count(*) from pg_database where datname = 'stopped'"), "0");
  const none = await dbctl.run(...restoreTo("whole"), "--discard", "--json");
  assert.equal(none.document.error.code, "restore-unknown");
});

/** Until so many parts are loaded, or the restore has ended. */
async function waitForParts(child: ChildProcess, name: string, parts: number): Promise<void> {
  while (child.exitCode === null) {
    const count = await countOf(name).catch(() => 0);
    if (count >= parts) return;
    await sleep(5);
  }
}

async function waitForServer(): Promise<void> {
  for (;;) {
    const up = await ask("select 1").catch(() => "");
    if (up === "1") return;
    await sleep(50);
  }
}
