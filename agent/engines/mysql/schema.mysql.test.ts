import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { quoteName } from "./quote.ts";
import { copyDatabase, openScratch, type Scratch } from "./scratch-copy.ts";

let scratch: Scratch;
const { signal } = new AbortController();
beforeEach(async () => {
  for (const name of ["source", "copy"])
    await scratch.root.execute(`DROP DATABASE IF EXISTS ${name}`, { signal });
});
before(async () => (scratch = await openScratch({ "performance-schema": "OFF" })));
after(async () => await scratch[Symbol.asyncDispose]());

/** What mariadb-dump prints of a database's schema, without what is about the moment. */
async function dumpSchema(database: string): Promise<string[]> {
  const options = ["--no-defaults", "-uroot", `--socket=${scratch.server.socket}`, "--no-data"];
  const objects = ["--routines", "--triggers", "--events", "--skip-comments", "--skip-dump-date"];
  const { stdout } = await promisify(execFile)("mariadb-dump", [
    ...options,
    ...objects,
    "--",
    database,
  ]);
  const plain = stdout.replace(/TRIGGER source\.(\w+ \w+ \w+) ON source\./g, "TRIGGER $1 ON ");
  return plain.replaceAll(quoteName(database), "`*`").split("\n");
}

async function copySchema(statements: string[], { from = "source", to = "copy" } = {}) {
  await scratch.root.execute(
    `CREATE DATABASE ${quoteName(from)} COLLATE latin1_german1_ci COMMENT 'it''s \\\\'`,
    { signal },
  );
  await scratch.run(from, statements);
  const list = await copyDatabase(scratch.engine(from), scratch.engine(to));
  assert.deepEqual(await dumpSchema(to), await dumpSchema(from));
  for (const name of [from, to])
    await scratch.root.execute(`DROP DATABASE ${quoteName(name)}`, { signal });
  return list;
}

test("tables come back as printed, with every kind of column, key and option", async () => {
  await copySchema([
    `CREATE TABLE parent (a INT, b VARCHAR(20) CHARACTER SET utf8mb4, PRIMARY KEY (a, b)) COMMENT 'x\\ny'`,
    `CREATE TABLE t (
      id INT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'KEY (a), \`b\` ''AUTO_INCREMENT'' "',
      a INT DEFAULT 5 CHECK (a <> 3), b VARCHAR(20) CHARACTER SET utf8mb4 DEFAULT 'é,)\\'',
      hidden INT INVISIBLE DEFAULT 1, v INT AS (a + 1) VIRTUAL, s INT AS (a * 2) STORED,
      body TEXT, place POINT NOT NULL, made TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
      e VARCHAR(50) DEFAULT (CONCAT('a', UUID())), z TEXT COMPRESSED,
      UNIQUE KEY u (a, b), KEY prefix (body(10)), KEY down (a DESC, b), KEY hidden_one (b) IGNORED,
      KEY on_virtual (v) COMMENT 'a, b', FULLTEXT KEY words (body), FULLTEXT KEY more (b),
      SPATIAL KEY where_ (place), CONSTRAINT positive CHECK (a > 0 AND b <> ','),
      CONSTRAINT up FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE CASCADE
    ) AUTO_INCREMENT = 4711 ROW_FORMAT = COMPRESSED STATS_PERSISTENT = 1 COMMENT 'ENGINE=x'`,
    `CREATE TABLE self (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES self (id))`,
    `SET SESSION innodb_strict_mode = 0`,
    `CREATE TABLE odd_options (id INT PRIMARY KEY) ROW_FORMAT = DYNAMIC KEY_BLOCK_SIZE = 4`,
    `CREATE TABLE unkept (id INT PRIMARY KEY, a INT CHECK (a > 0))`,
    `SET SESSION check_constraint_checks = 0`,
    `INSERT INTO unkept VALUES (1, -1)`,
    `CREATE TABLE made_key (id INT PRIMARY KEY, a INT, b VARCHAR(20) CHARACTER SET utf8mb4, s INT AS (a + 1) STORED,
      CONSTRAINT up2 FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE CASCADE)`,
    `INSERT INTO parent VALUES (1, 'x')`,
    `INSERT INTO t (id, a, b, place) VALUES (7, 1, 'x', POINT(1, 2))`,
    `INSERT INTO self VALUES (1, NULL), (2, 1)`,
    `CREATE TABLE parts (id INT, at DATE, PRIMARY KEY (id, at), KEY (at)) PARTITION BY RANGE (YEAR(at))
      SUBPARTITION BY HASH (id) SUBPARTITIONS 2
      (PARTITION old VALUES LESS THAN (2000), PARTITION rest VALUES LESS THAN MAXVALUE)`,
    `INSERT INTO parts VALUES (1, '1999-01-01'), (2, '2020-01-01')`,
    `CREATE TABLE counter (a INT, id INT AUTO_INCREMENT, PRIMARY KEY (a), KEY (id), KEY (a, id))`,
    `CREATE TABLE nokey (a INT, KEY (a))`,
    `CREATE TABLE uniq (a INT NOT NULL, b INT, UNIQUE KEY (b), UNIQUE KEY (a))`,
    `CREATE TABLE empty_myisam (a INT, KEY (a)) ENGINE = MyISAM`,
    `CREATE TABLE empty_aria (a INT, KEY (a)) ENGINE = Aria TRANSACTIONAL = 1`,
    `INSERT INTO nokey VALUES (1), (1), (NULL)`,
  ]);
});

test("system-versioned tables come back with their history", async () => {
  await copySchema([
    `CREATE TABLE v (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING`,
    `CREATE TABLE w (id INT PRIMARY KEY, a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE,
      e TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING`,
    `INSERT INTO v VALUES (1, 1), (2, 2)`,
    `UPDATE v SET a = a + 1`,
    `DELETE FROM v WHERE id = 2`,
    `INSERT INTO w VALUES (1, 1)`,
    `UPDATE w SET a = 2`,
    `CREATE TABLE p (id INT, s DATE, e DATE, PERIOD FOR stay (s, e), UNIQUE (id, stay WITHOUT OVERLAPS))`,
  ]);
});

test("sequences keep their next value", async () => {
  const statements = [
    "CREATE SEQUENCE up START WITH 5 INCREMENT BY 3 CACHE 10",
    "CREATE SEQUENCE down START WITH -1 INCREMENT BY -2 MINVALUE -100 MAXVALUE 0 CYCLE NOCACHE",
    "CREATE SEQUENCE fresh",
    "CREATE TABLE uses (id INT PRIMARY KEY DEFAULT NEXTVAL(up), a INT DEFAULT (NEXT VALUE FOR source.down))",
    "INSERT INTO uses (a) VALUES (1)",
    "DO NEXTVAL(down)",
    "DO NEXTVAL(down)",
  ];
  await scratch.root.execute("CREATE DATABASE source", { signal });
  await scratch.run("source", statements);
  await copyDatabase(scratch.engine("source"), scratch.engine("copy"));
  for (const name of ["up", "down", "fresh"]) {
    const sql = `SELECT * FROM ${name}`;
    assert.deepEqual(await scratch.rows("copy", sql), await scratch.rows("source", sql), name);
  }
  await scratch.run("copy", ["DROP SEQUENCE fresh", "INSERT INTO uses (a) VALUES (1)"]);
  await scratch.run("mysql", ["DROP DATABASE source", "DROP DATABASE copy"]);
});

test("code comes back with its definer, modes and character sets", async () => {
  const created = ["CREATE USER IF NOT EXISTS 'it''s me'@'%'", "CREATE ROLE IF NOT EXISTS writers"];
  await scratch.run("mysql", [...created, "GRANT EXECUTE, SELECT ON *.* TO 'it''s me'@'%'"]);
  await copySchema([
    "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
    "SET NAMES utf8mb4",
    "CREATE DEFINER = 'it''s me'@'%' FUNCTION f(x INT) RETURNS INT DETERMINISTIC COMMENT 'it''s' RETURN x + 1",
    "CREATE FUNCTION count_rows() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM v2)",
    "CREATE AGGREGATE FUNCTION total(x INT) RETURNS INT DETERMINISTIC BEGIN DECLARE s INT DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END",
    "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    `CREATE PROCEDURE "odd \`name" (IN "p" INT) SQL SECURITY INVOKER SELECT 'a\\' AS "x", "p"`,
    "SET sql_mode = 'ORACLE'",
    "CREATE PACKAGE pack AS PROCEDURE p1; END",
    "CREATE PACKAGE BODY pack AS PROCEDURE p1 AS BEGIN SELECT 'é'; END; END",
    "SET sql_mode = DEFAULT",
    "SET NAMES latin1 COLLATE latin1_german2_ci",
    "CREATE PROCEDURE in_latin() SELECT 'x'",
    "SET NAMES utf8mb4",
    "ALTER DATABASE COLLATE utf8mb4_bin",
    "CREATE PROCEDURE in_other_database_collation() SELECT 1",
    "ALTER DATABASE COLLATE latin1_german1_ci",
    "CREATE VIEW zebra AS SELECT id, f(a) AS b FROM t",
    "CREATE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW v2 AS SELECT * FROM zebra WHERE id > 1",
    "CREATE VIEW a_first AS SELECT v2.id AS v2, 'é' AS e FROM v2 JOIN t ON t.id = v2.id",
    "CREATE DEFINER = writers VIEW checked AS SELECT * FROM t WHERE id > 1 WITH LOCAL CHECK OPTION",
    "CREATE TRIGGER second BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 2",
    "CREATE TRIGGER source.first BEFORE INSERT ON source.t FOR EACH ROW PRECEDES second SET NEW.a = 1",
    "CREATE TRIGGER `it's` AFTER UPDATE ON t FOR EACH ROW BEGIN SET @x = 'é\\\\N\\n'; END",
    "CREATE EVENT every_day ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' COMMENT 'PRESERVE ENABLE' DO DELETE FROM t",
    "SET time_zone = '+05:00'",
    "CREATE EVENT once ON SCHEDULE AT '2035-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO SELECT 1",
    "CREATE EVENT elsewhere ON SCHEDULE EVERY 1 HOUR DISABLE ON SLAVE DO SELECT 1",
  ]);
  await scratch.run("mysql", ["DROP USER 'it''s me'@'%'", "DROP ROLE writers"]);
});

test("a view that reaches into another database keeps its meaning in a copy", async () => {
  await scratch.run("mysql", ["CREATE DATABASE other"]);
  await scratch.run("other", ["CREATE TABLE o (id INT)"]);
  await copySchema([
    "CREATE TABLE t (id INT)",
    "CREATE VIEW across AS SELECT t.id, o.id AS oid FROM t JOIN other.o ON o.id = t.id",
  ]);
  await scratch.run("mysql", ["DROP DATABASE other"]);
});

test("a view of a table with the database's name reads the copy's own table", async () => {
  await scratch.run("mysql", ["CREATE DATABASE source"]);
  await scratch.run("source", [
    "CREATE TABLE source (id INT)",
    "INSERT INTO source VALUES (1)",
    "CREATE VIEW namesake AS SELECT source.id FROM source",
  ]);
  await copyDatabase(scratch.engine("source"), scratch.engine("copy"));
  await scratch.run("copy", ["INSERT INTO source VALUES (2)"]);
  const [row] = await scratch.rows("copy", "SELECT COUNT(*) AS n FROM namesake");
  assert.equal(row?.["n"], "2");
});

test("hostile names survive", async () => {
  const odd = "a`b'c\"d;e\\f é 😊";
  await copySchema(
    [
      `CREATE TABLE ${quoteName("t`'\"; DROP é")} (${quoteName("c`,(")} INT PRIMARY KEY, KEY ${quoteName("k`)")} (${quoteName("c`,(")}))`,
      `CREATE VIEW ${quoteName("v`")} AS SELECT * FROM ${quoteName("t`'\"; DROP é")}`,
    ],
    { from: odd.replace("😊", "x"), to: "c`'\"x" },
  );
});
