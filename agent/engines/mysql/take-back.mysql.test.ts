import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createMariadbShop } from "../../../integration/fixtures/mariadb-shop.ts";
import { type RestorePlan, sections } from "../engine.ts";
import { journalName, objectStep } from "../restore-journal.ts";
import { openScratch, openView, type Scratch } from "./scratch-copy.ts";
import { namesAfter } from "./take-back.ts";

const { signal } = new AbortController();
const origin = { repository: "r1", backup: "20261120T101530Z-k3v9x0ap", content: "ab".repeat(32) };
const creating = { create: true, signal };
const resuming = { create: false, resume: true, signal };

let scratch: Scratch;
before(async () => (scratch = await openScratch({ "performance-schema": "OFF" })));
after(async () => await scratch[Symbol.asyncDispose]());

async function planOf(database: string): Promise<RestorePlan> {
  const engine = scratch.engine(database);
  await using view = await openView(engine, 0);
  const list = await view.snapshot.listObjects();
  const tables = await view.snapshot.listTables();
  return { facts: await engine.probe({ signal }), list, tables, origin };
}

/** Views that mention each other, so that one of them is a stub first. */
const circle = [
  "CREATE VIEW one AS SELECT 1 AS two",
  "CREATE VIEW two AS SELECT two AS one FROM one",
  "CREATE PACKAGE pack AS FUNCTION f RETURN INT; END",
  "CREATE PACKAGE BODY pack AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END",
];

test("a definition that was cut after any of its statements is taken back and built anew", async () => {
  await scratch.run("mysql", ["CREATE DATABASE source COLLATE latin1_german1_ci"]);
  await createMariadbShop({ server: scratch.server, database: "source" }, { megabytes: 0.01 });
  await scratch.run("source", ["SET sql_mode = ORACLE", ...circle]);
  const plan = await planOf("source");
  const engine = scratch.engine("copy");
  await (await engine.prepareTarget(plan, creating))[Symbol.asyncDispose]();
  await using loader = await engine.openLoader({ signal });
  const kinds = new Set<string>();
  for (const section of sections)
    for (const [index, object] of plan.list.objects.entries()) {
      if (object.section !== section) continue;
      kinds.add(object.kind);
      const step = objectStep(index);
      for (let cut = 0; cut <= object.statements.length; cut++) {
        const statements = [...object.statements.slice(0, cut), "THE CLIENT IS GONE"];
        const building = loader.build({ ...object, statements }, { step, signal });
        await assert.rejects(building, /1064/, `${object.kind} ${object.name}`);
        await using target = await engine.prepareTarget(plan, resuming);
        assert.ok(!target.done.has(step));
      }
      await loader.build(object, { step, signal });
    }
  for (const kind of [
    "table",
    "keys",
    "foreign key",
    "sequence",
    "trigger",
    "event",
    "package body",
  ])
    assert.ok(kinds.has(kind), kind);
  assert.ok(kinds.has("view stub") && kinds.has("procedure") && kinds.has("function"));
  await using target = await engine.prepareTarget(plan, resuming);
  assert.equal(target.done.size, plan.list.objects.length);
  await target.finish({ signal });
  const copy = await planOf("copy");
  const plain = ({ list }: RestorePlan) =>
    list.objects.map((one) => ({ ...one, cost: 0, name: one.kind === "database" ? "" : one.name }));
  assert.deepEqual(plain(copy), plain(plan));
});

test("a table that was not the restore's is never dropped", async () => {
  await scratch.run("mysql", ["CREATE DATABASE small"]);
  await scratch.run("small", ["CREATE TABLE t (id INT PRIMARY KEY)"]);
  const plan = await planOf("small");
  const engine = scratch.engine("stranger");
  await (await engine.prepareTarget(plan, creating))[Symbol.asyncDispose]();
  const index = plan.list.objects.findIndex(({ kind }) => kind === "table");
  await scratch.run("stranger", [
    `INSERT INTO ${journalName} (name, done, session) VALUES ('${objectStep(index)}', 0, 1)`,
    "CREATE TABLE t (id INT PRIMARY KEY)",
    "INSERT INTO t VALUES (1)",
  ]);
  await assert.rejects(engine.prepareTarget(plan, resuming), { code: "target-changed" });
  assert.equal((await scratch.rows("stranger", "SELECT id FROM t")).length, 1);
});

test("a statement that the server goes on with after its client was killed is ended first", async () => {
  await scratch.run("mysql", ["CREATE DATABASE slow"]);
  await scratch.run("slow", ["CREATE TABLE t (id INT PRIMARY KEY)"]);
  const plan = await planOf("slow");
  const engine = scratch.engine("slow_copy");
  await (await engine.prepareTarget(plan, creating))[Symbol.asyncDispose]();
  const index = plan.list.objects.findIndex(({ kind }) => kind === "table");
  const object = plan.list.objects[index];
  assert.ok(object !== undefined);
  await using loader = await engine.openLoader({ signal });
  const statements = ["CREATE TABLE t (id INT PRIMARY KEY) AS SELECT SLEEP(60) AS id"];
  const building = loader.build({ ...object, statements }, { step: objectStep(index), signal });
  const outcome = building.then(
    () => "built",
    () => "ended",
  );
  const begun = `SELECT 1 FROM ${journalName} WHERE done = 0`;
  while ((await scratch.rows("slow_copy", begun)).length === 0) await sleep(10);
  await sleep(50);
  const startedAt = performance.now();
  await (await engine.prepareTarget(plan, resuming))[Symbol.asyncDispose]();
  assert.equal(await outcome, "ended");
  assert.ok(performance.now() - startedAt < 10_000);
  assert.deepEqual(await scratch.rows("slow_copy", "SHOW TABLES LIKE 't'"), []);
});

test("finish() does without the session that held the lock, when that was lost", async () => {
  await scratch.run("mysql", ["CREATE DATABASE brief"]);
  const engine = scratch.engine("brief_copy");
  const plan = await planOf("brief");
  await using target = await engine.prepareTarget(plan, creating);
  const find = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'brief_copy'";
  for (const { ID } of await scratch.rows("mysql", find))
    await scratch.run("mysql", [`KILL ${ID}`]);
  await target.finish({ signal });
  assert.deepEqual(await scratch.rows("brief_copy", "SHOW TABLES"), []);
});

test("namesAfter() finds quoted names behind words, and not in texts or comments", () => {
  const sql =
    "ALTER TABLE `t` ADD KEY `a` (`x`), ADD UNIQUE KEY `KEY ``b``` (`KEY`) COMMENT 'KEY `c`', " +
    "ADD FULLTEXT KEY `d` (`y`) /* KEY `e` */ KEY_BLOCK_SIZE=4";
  assert.deepEqual(namesAfter(sql, ["KEY"]), ["a", "KEY `b`", "d"]);
});
