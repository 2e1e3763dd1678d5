import assert from "node:assert/strict";
import { test } from "node:test";
import { clientScript } from "./client-script.ts";

const server = { flavour: "mariadb", version: "10.11.6-MariaDB", instance: "1", host: "h" };
const facts = { ...server, database: "d", settings: {} };
const script = (...statements: string[]) =>
  clientScript(
    { kind: "procedure", name: "p", section: "post-data", statements },
    facts,
  ).toString();

test("a routine stands between delimiters that are not in it, and the session is as before", () => {
  const create = "CREATE PROCEDURE `p`()\nbegin select ';;', `back\\slash`; -- it's\nend";
  const lines = script("SET SESSION sql_mode = 'ANSI_QUOTES'", create).split("\n");
  assert.equal(lines[0], "DELIMITER $$");
  assert.equal(lines[1], "SET SESSION sql_mode = 'ANSI_QUOTES'$$");
  assert.equal(lines.at(-3), "DELIMITER ;");
  assert.match(lines.at(-2) ?? "", /^SET SESSION sql_mode = 'STRICT_ALL_TABLES,/);
  assert.equal(script("CREATE TABLE `a` (b int)"), "CREATE TABLE `a` (b int);\n");
});

const hostile = [
  "system touch x",
  "\\! touch x",
  "source /etc/passwd",
  "CREATE TABLE t (a int) \\! touch x",
  "CREATE TABLE t (a int)\ndelimiter //",
  "CREATE TABLE t (a varchar(9) DEFAULT 'open)",
  "CREATE TABLE `open (a int)",
  "CREATE TABLE t (a int) \0",
  "CREATE PROCEDURE p() begin select ';; $$ // %% ||;'; end",
];
for (const statement of hostile)
  test(`a statement that the client may misread is refused: ${JSON.stringify(statement)}`, () =>
    assert.throws(() => script(statement), { code: "object-unsupported" }));
