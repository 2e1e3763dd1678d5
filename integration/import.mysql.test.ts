import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { compareMariadb } from "./fixtures/compare-databases.ts";
import { mariadb } from "./fixtures/mariadb-client.ts";
import { type MariadbServer, startMariadb } from "./fixtures/mariadb-server.ts";
import { createMariadbShop } from "./fixtures/mariadb-shop.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpMariadbSchema } from "./fixtures/schema-dump.ts";

const execute = promisify(execFile);

describe("dbctl import of mariadb-dump", () => {
  const stack = new AsyncDisposableStack();
  let server: MariadbServer;
  let dbctl: DbctlScratch;
  const shop = () => ({ server, database: "shop" });

  before(async () => {
    server = stack.use(await startMariadb());
    dbctl = stack.use(await makeDbctlScratch({ init: false }));
    await mariadb(server, "", "create database shop");
    await createMariadbShop(shop(), { megabytes: 2 });
  });
  after(() => stack.disposeAsync());

  async function dump(name: string, args: string[]): Promise<string> {
    const file = join(dbctl.folder, name);
    const where = ["--no-defaults", "-u", "root", `--socket=${server.socket}`];
    const what = ["--default-character-set=utf8mb4", "--routines", "--events", "--triggers"];
    await execute("mariadb-dump", [...where, ...what, `--result-file=${file}`, ...args]);
    return file;
  }

  const into = (database: string) => [
    "--to",
    server.url(database),
    "--create",
    "--allow-superuser",
  ];

  /** What the vendor's client makes of a dump: a FLOAT has lost digits in it already. */
  async function loadWithClient(file: string, database: string): Promise<void> {
    const args = ["--no-defaults", "-u", "root", `--socket=${server.socket}`];
    await mariadb(server, "", `create database ${database}`);
    await execute("mariadb", [...args, database, "-e", `source ${file}`]);
  }

  for (const [name, args] of Object.entries({
    plain: ["shop"],
    hexadecimal: ["--hex-blob", "--skip-extended-insert", "--complete-insert", "shop"],
  }))
    test(`a dump (${name}) comes back as the database that it was made of`, async () => {
      const file = await dump(`${name}.sql`, args);
      const done = await dbctl.ok("import", file, ...into(`copy_${name}`));
      const copy = { server, database: `copy_${name}` };
      await loadWithClient(file, `reference_${name}`);
      const reference = { server, database: `reference_${name}` };
      assert.deepEqual(await compareMariadb(reference, copy), []);
      assert.equal(await dumpMariadbSchema(copy), await dumpMariadbSchema(shop()));
      assert.ok(Number(done["rows"]) > 3000);
    });

  test("--databases and --all-databases dumps go where they are told", async () => {
    await mariadb(server, "", "create database `o'ther;` character set latin1");
    await mariadb(
      server,
      "o'ther;",
      "create table t (a int primary key, b text); insert into t values (1, 'é')",
    );
    const one = await dump("one.sql", ["--databases", "o'ther;"]);
    await dbctl.ok("import", one, ...into("moved"));
    assert.equal(
      await mariadb(server, "moved", "select a, b, @@character_set_database from t"),
      "1\té\tlatin1",
    );
    const several = await dump("several.sql", ["--databases", "o'ther;", "moved"]);
    const refused = await dbctl.run("import", several, ...into("never"), "--json");
    assert.equal(refused.code, 65);
    assert.match(refused.document.error.message, /it holds 2 databases: o'ther;, moved/);
    await using other = await startMariadb();
    const big = [
      "shop",
      "copy_plain",
      "copy_hexadecimal",
      "reference_plain",
      "reference_hexadecimal",
    ];
    const without = big.map((name) => `--ignore-database=${name}`);
    const all = await dump("all.sql", ["--all-databases", ...without]);
    const to = ["--to", other.url(""), "--databases", "--create", "--allow-superuser"];
    const done = await dbctl.ok("import", all, ...to);
    assert.ok((done["into"] as string[]).includes("o'ther;"));
    assert.ok(!(done["into"] as string[]).includes("mysql"));
    assert.equal(await mariadb(other, "o'ther;", "select * from t"), "1\té");
  });

  test("what a server would only warn of fails the import with its line", async () => {
    const file = await script(
      "warned.sql",
      "SET sql_mode = '';\nCREATE TABLE `t` (`a` varchar(3)) ENGINE=InnoDB;\nINSERT INTO `t` VALUES ('abc'),('toolong');\n",
    );
    const failed = await dbctl.run("import", file, ...into("warned"), "--json");
    assert.equal(failed.code, 1);
    assert.match(
      failed.document.error.message,
      /^Cannot run line 3 of warned.sql .*Data truncated/,
    );
    assert.equal(await databases("warned"), "");
  });

  test("a statement longer than max_allowed_packet is told before anything runs", async () => {
    const file = await script(
      "long.sql",
      `CREATE TABLE \`t\` (\`a\` longtext);\nINSERT INTO \`t\` VALUES ('${"x".repeat(17 << 20)}');\n`,
    );
    const failed = await dbctl.run("import", file, ...into("long"), "--json");
    assert.match(
      failed.document.error.message,
      /line 2 has 178258\d\d bytes, and the server takes/,
    );
    assert.match(failed.document.error.remedy, /max_allowed_packet/);
    assert.equal(await databases("long"), "");
  });

  test("client commands are refused and locks, logs and positions are left out", async () => {
    for (const command of ["\\! id", "system id", "source /etc/passwd", "SELECT 1 \\g"]) {
      const file = await script("evil.sql", `CREATE TABLE \`t\` (a int);\n${command}\nSELECT 1;\n`);
      const refused = await dbctl.run("import", file, ...into("never"), "--json");
      assert.equal(refused.document.error.code, "dump-refused", command);
      assert.match(refused.document.error.message, /line 2 holds the client command/);
    }
    const file = await script(
      "left-out.sql",
      "SET @@SESSION.SQL_LOG_BIN= 0;\nSET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47:1-5';\n" +
        "CHANGE MASTER TO MASTER_LOG_FILE='bin.000003', MASTER_LOG_POS=345;\nset autocommit=0;\n" +
        "CREATE TABLE `t` (`a` int);\nLOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES (1);\ncommit;\nUNLOCK TABLES;\n",
    );
    const done = await dbctl.ok("import", file, ...into("left_out"));
    assert.equal(done["statements"], 2);
    assert.equal(await mariadb(server, "left_out", "select a from t"), "1");
    const { facts } = await dbctl.ok("import", "--check", file);
    assert.deepEqual(facts, { binlog: "bin.000003:345", gtid: "3e11fa47:1-5" });
  });

  test("bytes that are no text, and a mode without backslashes, arrive as they are", async () => {
    const file = await script(
      "bytes.sql",
      "/*!40101 SET NAMES binary */;\nCREATE TABLE `t` (`id` int, `b` varbinary(20));\n" +
        "INSERT INTO `t` VALUES (1,'\xff\\0\\'\xe9');\nSET @m=@@sql_mode, sql_mode='NO_BACKSLASH_ESCAPES';\n" +
        "INSERT INTO `t` VALUES (2,'a\\');\nSET sql_mode=@m;\nINSERT INTO `t` VALUES (3,'b\\';');\n",
    );
    await dbctl.ok("import", file, ...into("bytes"));
    const rows = await mariadb(server, "bytes", "select hex(b) from t order by id");
    assert.equal(rows, "FF0027E9\n615C\n62273B");
  });

  async function script(name: string, text: string): Promise<string> {
    const file = join(dbctl.folder, name);
    await writeFile(file, Buffer.from(text, "latin1"));
    return file;
  }

  const databases = (name: string) => mariadb(server, "", `show databases like '${name}'`);
});
