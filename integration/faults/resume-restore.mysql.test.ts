import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { compareMariadb } from "../fixtures/compare-databases.ts";
import { mariadb } from "../fixtures/mariadb-client.ts";
import { type MariadbServer, startMariadb } from "../fixtures/mariadb-server.ts";
import { createMariadbShop } from "../fixtures/mariadb-shop.ts";
import { type DbctlScratch, finish, makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { dumpMariadbSchema } from "../fixtures/schema-dump.ts";
import { killAfter, timeOf } from "./kill-after.ts";

const kills = 4;

const stack = new AsyncDisposableStack();
let server: MariadbServer;
let dbctl: DbctlScratch;
let backup: string;
let wholeMs: number;

before(async () => {
  server = stack.use(await startMariadb());
  dbctl = stack.use(await makeDbctlScratch());
  await mariadb(server, "", "create database shop");
  await createMariadbShop({ server, database: "shop" }, { megabytes: 20 });
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
  assert.deepEqual(await compareMariadb(source, copy), []);
  assert.equal(await dumpMariadbSchema(copy), await dumpMariadbSchema(source));
}

const at = (database: string) => ({ server, database });
const ask = async (sql: string, database = "") => (await mariadb(server, database, sql)).trim();

test(`kill -9 of a restore at ${kills} moments, and of the one that goes on: it ends exact`, async (t) => {
  for (let n = 0; n < kills; n++) {
    const name = `killed${n}`;
    // Every other one while it works, the others at any moment.
    const isAtWork = n % 2 === 0;
    if (isAtWork) await killAtStep(name, 1 + n * 20);
    else await killAfter(dbctl, [...restoreTo(name), "--create"], (n / kills) * wholeMs);
    await killAfter(dbctl, [...restoreTo(name), "--resume"], Math.random() * wholeMs);
    const last = await dbctl.run(...restoreTo(name), "--resume", "--json");
    if (last.code === 0) {
      const { resumedParts, parts } = last.document;
      t.diagnostic(`${String(resumedParts)} of ${String(parts)} parts were loaded already`);
    } else if (isAtWork || (await isWhole(name))) {
      // The one before has come to its end.
      assert.equal(last.document.error.code, "restore-unknown", last.stderr);
    } else {
      // The first was killed before there was a journal.
      assert.match(last.document.error.code, /^(restore|database)-unknown$/, last.stderr);
      await ask(`drop database if exists ${name}`);
      await dbctl.ok(...restoreTo(name), "--create");
    }
    await assertExact(name);
    await ask(`drop database ${name}`);
  }
});

async function killAtStep(name: string, steps: number): Promise<void> {
  const child = dbctl.start(...restoreTo(name), "--create");
  const ended = finish(child);
  await waitForSteps(child, name, { steps });
  child.kill("SIGKILL");
  const { code, stderr } = await ended;
  assert.ok(code === 128 || code === 0, stderr);
}

async function isWhole(name: string): Promise<boolean> {
  const there = "select count(*) from information_schema.tables where table_name = 'orders'";
  return (await ask(`${there} and table_schema = '${name}'`)) === "1";
}

/** Until so many steps are done, or the restore has ended. */
async function waitForSteps(
  child: ChildProcess,
  name: string,
  { steps, like = "%" }: { steps: number; like?: string },
): Promise<void> {
  const count = `select count(*) from dbctl_restore where done and name like '${like}'`;
  while (child.exitCode === null) {
    const done = await ask(count, name).catch(() => "0");
    if (Number(done) >= steps) return;
    await sleep(5);
  }
}

test("a restore whose connection is cut says how to go on, and goes on", async () => {
  const child = dbctl.start(...restoreTo("cut"), "--create", "--json");
  const ended = finish(child);
  await waitForSteps(child, "cut", { steps: 2, like: "stream%" });
  const loaders = `select id from information_schema.processlist
    where db = 'cut' and command = 'Query' and info like 'LOAD%' limit 1`;
  for (let id = ""; id === "" && child.exitCode === null; await sleep(2)) {
    id = await ask(loaders);
    if (id !== "") await ask(`kill ${id}`).catch(() => "");
  }
  const { code, document } = await ended;
  assert.notEqual(code, 0);
  assert.match(document.error.remedy, /At least \d+ of \d+ parts are loaded and kept.*--resume`/);

  const other = await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo);
  const wrong = restoreTo("cut").map((word) => (word === backup ? other.backup : word));
  const refused = await dbctl.run(...wrong, "--resume", "--json");
  assert.equal(refused.document.error.code, "target-changed");
  const again = await dbctl.run("backup", server.url("cut"), "--repo", dbctl.repo, "--json");
  assert.equal(again.document.error.code, "object-unsupported");

  const done = await dbctl.ok(...restoreTo("cut"), "--resume");
  assert.ok(Number(done["resumedParts"]) >= 2);
  await assertExact("cut");
  assert.equal(await ask("show tables like 'dbctl%'", "cut"), "");
});

test("a restore into a database that was there goes on, unless its tables were changed", async () => {
  await ask("create database mine");
  const child = dbctl.start(...restoreTo("mine"));
  const ended = finish(child);
  await waitForSteps(child, "mine", { steps: 3, like: "stream%" });
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
  await ask("create table stranger (id int primary key)", "mine");
  assert.match((await refuse("target-changed", "--resume")).message, /table stranger is not in/);
  await ask("drop table stranger", "mine");
  await dbctl.ok(...restoreTo("mine"), "--resume");
  await assertExact("mine");
});

test("Ctrl-C of a restore keeps what is loaded; --discard drops it", async () => {
  const child = dbctl.start(...restoreTo("stopped"), "--create", "--json");
  const ended = finish(child);
  await waitForSteps(child, "stopped", { steps: 1, like: "stream%" });
  child.kill("SIGINT");
  const { code, document } = await ended;
  assert.equal(code, 130);
  assert.match(document.error.remedy, /parts are loaded and kept/);
  await dbctl.ok(...restoreTo("stopped"), "--discard");
  assert.equal(await ask("show databases like 'stopped'"), "");
});
