import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { mariadb } from "../../../integration/fixtures/mariadb-client.ts";
import { type MariadbServer, startMariadb } from "../../../integration/fixtures/mariadb-server.ts";
import { DbctlError } from "../../../core/errors.ts";
import type { ScriptSession } from "../script-target.ts";
import { createScriptTarget } from "./script-target.ts";
import { parseMysqlTarget } from "./target.ts";

const { signal } = new AbortController();
const act = "run the test";

describe("a MariaDB session for statements of others", () => {
  const stack = new AsyncDisposableStack();
  let server: MariadbServer;
  let session: ScriptSession;
  let second: ScriptSession;

  before(async () => {
    server = stack.use(await startMariadb());
    await mariadb(server, "", "create database test");
    const target = parseMysqlTarget(server.url("test"));
    const scripts = createScriptTarget({ target, password: undefined });
    assert.equal((await scripts.inspect({ signal })).isSuperuser, true);
    session = stack.use(await scripts.openSession({ database: "test", signal }));
    second = stack.use(await scripts.openSession({ database: "test", signal }));
  });
  after(() => stack.disposeAsync());

  const run = (sql: string) => session.run(Buffer.from(sql), { act, signal });
  const runAll = (on: ScriptSession, ...sqls: string[]) =>
    on.runAll(
      sqls.map((sql, n) => ({ sql: Buffer.from(sql), act: `run number ${n + 1}` })),
      { signal },
    );
  const ask = (sql: string) => mariadb(server, "test", sql);

  test("runs one statement, whether it gives rows or not, and refuses two in one text", async () => {
    await run("create table one (a int)");
    await assert.rejects(run("insert into one values (1); drop table one"), /error in your SQL/);
    await run("select seq from seq_1_to_10000");
    await run("do 1");
    assert.equal(await ask("select count(*) from one"), "0");
  });

  test("runs statements together, all or none, and names the one that fails", async () => {
    await run("create table many (a int primary key)");
    await assert.rejects(
      runAll(session, "insert into many values (1)", "insert into many values (1)"),
      /Cannot run number 2: Duplicate entry/,
    );
    assert.equal(await ask("select count(*) from many"), "0");
    await runAll(session, "insert into many values (1)", "insert into many values (2)");
    assert.equal(await ask("select count(*) from many"), "2");
  });

  test("begins again after a deadlock, so that two sessions both come through", async () => {
    await run("create table pair (a int primary key)");
    const low = Array.from({ length: 200 }, (_, n) => `replace into pair values (${n})`);
    for (let round = 0; round < 5; round++)
      await Promise.all([runAll(session, ...low), runAll(second, ...low.toReversed())]);
    assert.equal(await ask("select count(*) from pair"), "200");
  });

  test("fails where the server only warns that data did not fit, but for an ENUM's error value", async () => {
    await run("set sql_mode = ''");
    await run("create table fits (a varchar(2), `e``x` enum('a') )");
    await assert.rejects(run("insert into `fits` values ('abc', 'a')"), /Data truncated/);
    await run("insert into `fits` values ('ab', '')");
    await assert.rejects(run("insert into `fits` values ('abc', '')"), /Data truncated/);
    await run("create table if not exists fits (a int)");
  });

  test("takes a comment for other versions as nothing, and reads no file for the server", async () => {
    await run("/*!99999 SET @never = 1 */");
    await run("/* nothing at all */");
    await run(" ");
    await assert.rejects(run("/*!40000 SELEC */"), /error in your SQL/);
    await run("create table if not exists one (a int)");
    await assert.rejects(run("load data local infile '/etc/hostname' into table one"), DbctlError);
  });

  test("an account that owns one database is no superuser", async () => {
    await mariadb(server, "", "create user importer; grant all on test.* to importer");
    const target = parseMysqlTarget(server.url("test").replace("root@", "importer@"));
    const { isSuperuser, user } = await createScriptTarget({ target, password: undefined }).inspect(
      {
        signal,
      },
    );
    assert.deepEqual([isSuperuser, user], [false, "importer@%"]);
  });
});
