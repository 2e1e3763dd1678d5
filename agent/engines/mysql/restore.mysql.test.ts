import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Loader, RestorePlan, SchemaObject, TableData } from "../engine.ts";
import { createMysqlEngine } from "./engine.ts";
import { copyDatabase, openScratch, openView, readTables, type Scratch } from "./scratch-copy.ts";

let scratch: Scratch;
const { signal } = new AbortController();
before(async () => (scratch = await openScratch()));
after(async () => await scratch[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const name of ["source", "copy"])
    await scratch.root.execute(`DROP DATABASE IF EXISTS ${name}`, { signal });
  await scratch.root.execute("CREATE DATABASE source", { signal });
});

async function planOf(database: string): Promise<RestorePlan> {
  const engine = scratch.engine(database);
  await using view = await openView(engine, 0);
  const [list, tables] = [await view.snapshot.listObjects(), await view.snapshot.listTables()];
  return { facts: await engine.probe({ signal }), list, tables };
}

/** The rows of `t` in `source` and a loader of `copy`, where `definition` has made another `t`. */
async function prepareLoad(definition: string): Promise<{
  loader: Loader;
  table: TableData;
  bytes: () => AsyncIterable<Uint8Array>;
}> {
  await using view = await openView(scratch.engine("source"), 1);
  const chunks = (await readTables(view)).get("t")?.chunks ?? [];
  const [table] = await view.snapshot.listTables();
  assert.ok(table !== undefined);
  await scratch.root.execute("CREATE DATABASE copy", { signal });
  await scratch.run("copy", [definition]);
  const loader = await scratch.engine("copy").openLoader({ signal });
  return { loader, table, bytes: () => ReadableStream.from(chunks) };
}

const misfits: [name: string, source: string, value: string, target: string, message: RegExp][] = [
  [
    "a number out of range",
    "a INT",
    "300",
    "a TINYINT",
    /Out of range value for column 'a' at row 1/,
  ],
  ["a text that is too long", "a VARCHAR(9)", "'123456789'", "a VARCHAR(5)", /too long|truncated/i],
  ["NULL", "a INT", "NULL", "a INT NOT NULL", /null/i],
  [
    "a character that does not exist",
    "a VARCHAR(9) CHARACTER SET latin1",
    "x'E9'",
    "a VARCHAR(9) CHARACTER SET utf8mb4",
    /Incorrect string value|Invalid utf8mb4/i,
  ],
  ["a label that is none", "a VARCHAR(9)", "'c'", "a SET('a','b')", /truncated/i],
  ["a date that is none", "a VARCHAR(20)", "'2020-13-41'", "a DATE", /Incorrect date|truncated/i],
];

for (const [name, source, value, target, message] of misfits)
  test(`load() refuses ${name}, and leaves no row`, async () => {
    await scratch.run("source", [`CREATE TABLE t (${source})`, `INSERT INTO t VALUES (${value})`]);
    const { loader, table, bytes } = await prepareLoad(`CREATE TABLE t (${target})`);
    const code = "engine-refused";
    await assert.rejects(loader.load(table, bytes(), { signal }), { code, message });
    assert.equal((await scratch.rows("copy", "SELECT COUNT(*) AS n FROM t"))[0]?.["n"], "0");
    await loader[Symbol.asyncDispose]();
  });

test("load() refuses rows that are there already, and keeps those", async () => {
  await scratch.run("source", [
    "CREATE TABLE t (id INT PRIMARY KEY)",
    "INSERT INTO t VALUES (1), (2)",
  ]);
  const { loader, table, bytes } = await prepareLoad("CREATE TABLE t (id INT PRIMARY KEY)");
  assert.equal(await loader.load(table, bytes(), { signal }), 2);
  await assert.rejects(loader.load(table, bytes(), { signal }), { message: /Duplicate entry '1'/ });
  assert.equal((await scratch.rows("copy", "SELECT COUNT(*) AS n FROM t"))[0]?.["n"], "2");
  await loader[Symbol.asyncDispose]();
});

test("load() ends when its signal aborts while the bytes are silent, and leaves nothing", async () => {
  await scratch.run("source", ["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]);
  const { loader, table, bytes } = await prepareLoad("CREATE TABLE t (id INT PRIMARY KEY)");
  const abort = new AbortController();
  async function* silent() {
    yield* bytes();
    await new Promise((_, reject) => {
      abort.signal.addEventListener("abort", () => reject(abort.signal.reason as Error));
    });
  }
  const loading = loader.load(table, silent(), { signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 50);
  await assert.rejects(loading, /enough/);
  await loader[Symbol.asyncDispose]();
  assert.equal((await scratch.rows("copy", "SELECT COUNT(*) AS n FROM t"))[0]?.["n"], "0");
});

test("build() proves foreign keys, and names rows that refer to nothing", async () => {
  await scratch.run("source", [
    "CREATE TABLE parent (a INT, b VARCHAR(9), PRIMARY KEY (a, b))",
    "CREATE TABLE child (id INT PRIMARY KEY, a INT, b VARCHAR(9), CONSTRAINT up FOREIGN KEY (a, b) REFERENCES parent (a, b))",
    "INSERT INTO parent VALUES (1, 'x')",
    "INSERT INTO child VALUES (1, 1, 'x'), (2, NULL, 'x')",
  ]);
  await copyDatabase(scratch.engine("source"), scratch.engine("copy"));
  await scratch.run("mysql", ["DROP DATABASE copy"]);
  await scratch.run("source", [
    "SET foreign_key_checks = 0",
    "INSERT INTO child VALUES (3, 1, 'y')",
  ]);
  await assert.rejects(copyDatabase(scratch.engine("source"), scratch.engine("copy")), {
    message: /Cannot build foreign key proof child\.up: .* such as 1, y$/,
  });
});

test("build() names the object that failed, and passes on what the server only warns of", async () => {
  await using loader = await scratch.engine("source").openLoader({ signal });
  const object = (statement: string): SchemaObject => {
    return { kind: "table", name: "t", section: "pre-data", statements: [statement] };
  };
  const wrong = loader.build(object("CREATE TABLE t (a NONSENSE)"), { signal });
  await assert.rejects(wrong, { message: /^Cannot build table t: / });
  const engine = loader.build(object("CREATE TABLE t (a INT) ENGINE = Nonsense"), { signal });
  await assert.rejects(engine, { message: /Unknown storage engine/ });
});

test("build() makes events disabled until the end, and lets go of those whose time is over", async () => {
  await scratch.run("source", [
    "CREATE EVENT soon ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND DO SELECT 1",
    "CREATE EVENT soon_kept ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND ON COMPLETION PRESERVE DO SELECT 1",
    "CREATE EVENT daily ON SCHEDULE EVERY 1 DAY DO SELECT 1",
  ]);
  // The server counts whole seconds.
  await sleep(2100);
  const { objects } = await copyDatabase(scratch.engine("source"), scratch.engine("copy"));
  const states = objects.filter(({ kind }) => kind === "event status");
  assert.deepEqual(objects.slice(-states.length), states);
  const sql =
    "SELECT EVENT_NAME AS name, STATUS AS status FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'copy' ORDER BY 1";
  assert.deepEqual(await scratch.rows("copy", sql), [
    { name: "daily", status: "ENABLED" },
    { name: "soon_kept", status: "ENABLED" },
  ]);
});

test("build() does not carry the settings of one object on to the next", async () => {
  await using loader = await scratch.engine("source").openLoader({ signal });
  const object = (name: string, statements: string[]): SchemaObject => {
    return { kind: "table", name, section: "pre-data", statements };
  };
  const setting = "SET SESSION sql_mode = 'ANSI_QUOTES', SESSION time_zone = '+05:00'";
  await loader.build(object("a", [setting, 'CREATE TABLE "a" (i INT)']), { signal });
  await loader.build(
    object("b", [
      `CREATE TABLE b (t VARCHAR(9) DEFAULT "x", s TIMESTAMP DEFAULT '2020-01-01 00:00:00')`,
    ]),
    { signal },
  );
  const [made] = await scratch.rows("source", "SHOW CREATE TABLE b");
  assert.match(made?.["Create Table"] ?? "", /DEFAULT 'x',[^]*'2020-01-01 00:00:00'/);
});

test("prepareTarget() refuses a server without local files, with the line that helps", async () => {
  await scratch.run("source", ["CREATE TABLE t (a INT)"]);
  const plan = await planOf("source");
  await scratch.root.execute("SET GLOBAL local_infile = OFF", { signal });
  const preparing = scratch.engine("copy").prepareTarget(plan, { create: true, signal });
  await assert.rejects(preparing, { remedy: /SET GLOBAL local_infile = ON/ });
  await scratch.root.execute("SET GLOBAL local_infile = ON", { signal });
});

test("prepareTarget() refuses functions that the server would refuse in the end", async () => {
  const trust = (value: string) =>
    scratch.root.execute(`SET GLOBAL log_bin_trust_function_creators = ${value}`, { signal });
  await trust("ON");
  await scratch.run("source", [
    "CREATE FUNCTION writes() RETURNS INT RETURN (SELECT 1)",
    "CREATE FUNCTION reads_() RETURNS INT READS SQL DATA RETURN (SELECT 1)",
    "CREATE FUNCTION sums(a INT) RETURNS INT DETERMINISTIC RETURN a",
  ]);
  const plan = await planOf("source");
  await trust("OFF");
  const preparing = scratch.engine("copy").prepareTarget(plan, { create: true, signal });
  await assert.rejects(preparing, {
    message: /functions writes:/,
    remedy: /function_creators = ON/,
  });
});

test("prepareTarget() names all that the target lacks, and creates nothing", async () => {
  await scratch.run("mysql", ["CREATE USER gone@localhost", "CREATE DATABASE elsewhere"]);
  await scratch.run("source", [
    "CREATE TABLE t (a INT)",
    "CREATE DEFINER = gone@localhost PROCEDURE p() SELECT * FROM source.t",
    "CREATE DEFINER = gone@localhost VIEW v AS SELECT 1 AS n",
  ]);
  const plan = await planOf("source");
  await scratch.run("mysql", [
    "DROP USER gone@localhost",
    "DROP DATABASE source",
    "DROP DATABASE elsewhere",
  ]);
  plan.list.requires.push(
    { kind: "engine", name: "Nonsense" },
    { kind: "collation", name: "klingon_ci" },
  );
  const preparing = scratch.engine("copy").prepareTarget(plan, { create: true, signal });
  const lacking = /there is no .*engine Nonsense, collation klingon_ci/;
  await assert.rejects(preparing, ({ message }: Error) => {
    assert.match(message, lacking);
    assert.match(message, /account gone@localhost/);
    assert.match(message, /database source/);
    return true;
  });
  await assert.rejects(scratch.engine("copy").probe({ signal }), { code: "database-unknown" });
});

test("prepareTarget() refuses an account that may not create objects of others", async () => {
  await scratch.run("source", ["CREATE VIEW v AS SELECT 1 AS n"]);
  const plan = await planOf("source");
  const grants = ["SELECT ON mysql.*", "CREATE, DROP, CREATE VIEW ON copy.*"];
  await scratch.run("mysql", ["CREATE USER maker@localhost"]);
  await scratch.run(
    "mysql",
    grants.map((line) => `GRANT ${line} TO maker@localhost`),
  );
  const { target } = scratch.login("copy");
  const engine = createMysqlEngine({ target: { ...target, user: "maker" }, password: undefined });
  const preparing = engine.prepareTarget(plan, { create: true, signal });
  const remedy = "Run GRANT SET USER ON *.* TO `maker`@`localhost`";
  await assert.rejects(preparing, { code: "engine-denied", remedy });
  await scratch.root.execute(remedy.replace("Run ", ""), { signal });
  const made = await engine.prepareTarget(plan, { create: true, signal });
  await made.undo({ signal });
  await scratch.run("mysql", ["DROP USER maker@localhost"]);
});

test("prepareTarget() refuses another product and an older server", async () => {
  const plan = await planOf("source");
  const engine = scratch.engine("copy");
  for (const facts of [{ flavour: "mysql" }, { version: "11.8.1-MariaDB" }]) {
    const other = { ...plan, facts: { ...plan.facts, ...facts } };
    const preparing = engine.prepareTarget(other, { create: true, signal });
    await assert.rejects(preparing, { code: "engine-unsupported" });
  }
});

test("prepareTarget() fills a database that is there and empty, and undo() leaves it", async () => {
  const plan = await planOf("source");
  await scratch.root.execute("CREATE DATABASE copy", { signal });
  const engine = scratch.engine("copy");
  const target = await engine.prepareTarget(plan, { create: false, signal });
  await target.undo({ signal });
  assert.equal((await engine.probe({ signal })).database, "copy");
  await scratch.run("copy", ["CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1"]);
  const again = engine.prepareTarget(plan, { create: false, signal });
  await assert.rejects(again, { code: "target-not-empty", message: /event e/ });
});
