import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, parseTarget } from "../../agent/adapters.ts";
import { makeMemoryScratch } from "../../agent/backup/memory-scratch.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";
import { compareMariadb, comparePostgres } from "../fixtures/compare-databases.ts";
import { brokenDisk, createFaultyStore, type Fault } from "../fixtures/faulty-store.ts";
import { mariadb } from "../fixtures/mariadb-client.ts";
import { startMariadb } from "../fixtures/mariadb-server.ts";
import { startPostgres } from "../fixtures/postgres-server.ts";
import { psql } from "../fixtures/psql.ts";

/** Five parts, and what comes after them. */
const tables = `
  create table a (id int primary key, note varchar(100));
  create table b (id int primary key, a int, constraint b_a foreign key (a) references a (id));
  create table c (id int primary key, note varchar(100));
  create table d (note varchar(100));
  create table e (id int primary key);
  insert into a values (1, 'one'), (2, 'zwei ä'), (3, null);
  insert into b values (1, 1), (2, 2), (3, null);
  insert into c values (1, ''), (2, 'x');
  insert into d values ('twice'), ('twice');
  insert into e values (7);
  create index c_note on c (note);
  create view both_notes as select a.note as one, c.note as two from a, c where a.id = c.id;`;
const parts = 5;

interface Product {
  url: (database: string) => string;
  run: (database: string, sql: string) => Promise<unknown>;
  compare: (copy: string) => Promise<string[]>;
}

test("a PostgreSQL restore whose n-th call of the store fails goes on, and loads nothing twice", async () => {
  await using server = await startPostgres(15);
  await sweep({
    url: (database) => server.url(database),
    run: (database, sql) => psql(server, database === "" ? "postgres" : database, sql),
    compare: (copy) => comparePostgres({ server, database: "source" }, { server, database: copy }),
  });
});

test("a MariaDB restore whose n-th call of the store fails goes on, and loads nothing twice", async () => {
  await using server = await startMariadb();
  await sweep({
    url: (database) => server.url(database),
    run: (database, sql) => mariadb(server, database, sql),
    compare: (copy) => compareMariadb({ server, database: "source" }, { server, database: copy }),
  });
});

async function sweep({ url, run, compare }: Product): Promise<void> {
  await using scratch = await makeMemoryScratch();
  await run("", "create database source");
  await run("source", tables);
  const engineOf = (database: string) => createEngine(parseTarget(url(database)), undefined);
  const { header } = await scratch.backUp("source", { engine: engineOf("source") });
  const restore = async (store: ObjectStore, { mayGoOn = false } = {}) => {
    const resume = mayGoOn ? "may" : "never";
    const last = await scratch.restore(header.id, "copy", {
      engine: engineOf("copy"),
      store,
      resume,
    });
    assert.ok(last?.kind === "finished");
    return last;
  };
  const whole = count(scratch.store);
  assert.equal((await restore(whole.store)).parts, parts);
  const before = whole.gets.length - parts;
  let resumed = 0;
  for (let n = 0; n < whole.calls(); n++) {
    await run("", "drop database if exists copy");
    const failing = count(scratch.store, (call) => {
      if (call.n === n) throw brokenDisk(call.key);
    });
    await assert.rejects(restore(failing.store), /EIO/);
    const { store, gets } = count(scratch.store);
    const finished = await restore(store, { mayGoOn: true });
    resumed += finished.resumedParts;
    assert.equal(gets.length, before + parts - finished.resumedParts);
    assert.deepEqual(await compare("copy"), []);
  }
  assert.ok(resumed > 0);
}

/** The store with a fault, and what is got from it. */
function count(inner: ObjectStore, fault: Fault = () => {}) {
  const gets: string[] = [];
  let calls = 0;
  const store = createFaultyStore(inner, (call) => {
    calls++;
    if (call.method === "get") gets.push(call.key);
    fault(call);
  });
  return { store, gets, calls: () => calls };
}
