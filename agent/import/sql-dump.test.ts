import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { openDump } from "./open-dump.ts";
import { MysqlLexer } from "./mysql-lexer.ts";
import { PostgresLexer } from "./postgres-lexer.ts";
import { ScriptSurvey } from "./script-survey.ts";
import type { Dialect, Survey } from "./statement.ts";

const { signal } = new AbortController();

const postgresDump = String.raw`--
-- PostgreSQL database dump
--

\restrict aB3

-- Dumped from database version 15.8 (Debian 15.8-0+deb12u1)
-- Dumped by pg_dump version 15.8 (Debian 15.8-0+deb12u1)

SET client_encoding = 'UTF8';
CREATE TABLE public.a (x integer);
CREATE TABLE public.b (x text);

COPY public.a (x) FROM stdin;
1
2
\.

COPY public.b (x) FROM stdin;
one
\.

--
-- PostgreSQL database dump complete
--

\unrestrict aB3
`;

const mysqlDump = `/*M!999999\\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version\t10.11.19-MariaDB-0+deb12u1

--
-- Position to start replication or point-in-time recovery from
--

-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000002', MASTER_LOG_POS=1234;
-- SET GLOBAL gtid_slave_pos='0-1-57';
DROP TABLE IF EXISTS \`a\`;
CREATE TABLE \`a\` (\`x\` int(11)) ENGINE=InnoDB;
INSERT INTO \`a\` VALUES (1),(2);
INSERT INTO \`a\` VALUES (3);
CREATE TABLE \`b\` (\`x\` text) ENGINE=InnoDB;
INSERT INTO \`b\` VALUES ('(;)');
DELIMITER ;;
CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW BEGIN SET @a = 1; END ;;
DELIMITER ;
-- Dump completed on 2026-11-20  8:00:00
`;

const dumps: [Dialect, string][] = [
  ["postgres", postgresDump],
  ["mysql", mysqlDump],
];

function surveyText(dialect: Dialect, text: Buffer): ReturnType<ScriptSurvey["result"]> {
  const lexer = dialect === "postgres" ? new PostgresLexer() : new MysqlLexer();
  const survey = new ScriptSurvey(dialect);
  for (const event of [...lexer.push(text), ...lexer.finish()]) survey.note(event);
  return survey.result({ line: 0, byte: 0 });
}

async function surveyFile(bytes: Buffer): Promise<Survey> {
  await using folder = await makeScratchFolder("dump");
  const path = join(folder.path, "dump");
  await writeFile(path, bytes);
  const source = await openDump(path, { signal });
  return await source.survey({ signal });
}

describe("the survey of a plain dump", () => {
  test("says what pg_dump wrote and how many rows each table has", async () => {
    const survey = await surveyFile(Buffer.from(postgresDump));
    assert.deepEqual(survey.damage, null);
    assert.deepEqual(survey.refusals, []);
    assert.deepEqual([survey.tool, survey.format, survey.dialect], ["pg_dump", "sql", "postgres"]);
    assert.match(survey.serverVersion ?? "", /^15\.8/);
    const tables = survey.tables.map(({ name, rows, place }) => [name, rows, place.line]);
    assert.deepEqual(tables, [
      ["public.a", 2, 14],
      ["public.b", 1, 19],
    ]);
    assert.deepEqual(survey.facts, { encoding: "UTF8" });
    assert.deepEqual([survey.statements, survey.bytes], [5, postgresDump.length]);
  });

  test("says what mariadb-dump wrote, with the source's position", async () => {
    const survey = await surveyFile(Buffer.from(mysqlDump));
    assert.equal(survey.damage, null);
    assert.deepEqual(survey.refusals, []);
    assert.deepEqual([survey.tool, survey.toolVersion], ["mariadb-dump", "10.11.19-MariaDB"]);
    assert.equal(survey.serverVersion, "10.11.19-MariaDB-0+deb12u1");
    assert.deepEqual(survey.facts, {
      database: "shop",
      binlog: "binlog.000002:1234",
      gtid: "0-1-57",
    });
    const tables = survey.tables.map(({ name, rows }) => [name, rows]);
    assert.deepEqual(tables, [
      ["`a`", 3],
      ["`b`", 1],
    ]);
  });

  test("reads the headers of other versions of the tools", () => {
    const headers: [Dialect, string, string, string][] = [
      ["mysql", "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)", "mysqldump", "8.0.36"],
      [
        "mysql",
        "-- MariaDB dump 10.19-11.8.3-MariaDB, for debian-linux-gnu (x86_64)",
        "mariadb-dump",
        "11.8.3-MariaDB",
      ],
      ["postgres", "-- PostgreSQL database cluster dump", "pg_dumpall", "null"],
    ];
    for (const [dialect, line, tool, version] of headers) {
      const survey = surveyText(dialect, Buffer.from(`--\n${line}\n--\nSELECT 1;\n`));
      assert.deepEqual([survey.tool, String(survey.toolVersion)], [tool, version], line);
      assert.equal(survey.damage?.kind, "truncated", line);
    }
  });

  for (const [dialect, dump] of dumps)
    test(`finds a ${dialect} dump damaged wherever it is cut`, () => {
      const bytes = Buffer.from(dump);
      const complete = bytes.indexOf(
        dialect === "postgres" ? "dump complete" : "-- Dump completed",
      );
      for (let length = 0; length < complete; length++) {
        const { damage, refusals } = surveyText(dialect, bytes.subarray(0, length));
        assert.ok(damage !== null || refusals.length > 0, `cut at ${length}`);
      }
      assert.equal(surveyText(dialect, bytes).damage, null);
    });

  test("names the last table that is complete", () => {
    const at = (dump: string, text: string) => Buffer.from(dump).subarray(0, dump.indexOf(text));
    const lastOf = (dialect: Dialect, dump: Buffer) => surveyText(dialect, dump).damage?.lastTable;
    assert.equal(lastOf("postgres", at(postgresDump, "2\n")), null);
    assert.equal(lastOf("postgres", at(postgresDump, "one")), "public.a");
    assert.equal(lastOf("mysql", at(mysqlDump, "(3)")), null);
    assert.equal(lastOf("mysql", at(mysqlDump, "'(;)'")), "`a`");
    assert.equal(lastOf("mysql", at(mysqlDump, "CREATE TRIGGER")), "`b`");
  });

  test("reads gzip and zstd, and says where a stream ends too early or is wrong", async () => {
    const rows = Array.from({ length: 50_000 }, (_, n) => `${(n * 7919) % 50_021}\n`).join("");
    const big = postgresDump.replace("one\n", rows);
    // As the zstd program does it by itself.
    const params = { [constants.ZSTD_c_checksumFlag]: 1 };
    const text = Buffer.from(big);
    for (const bytes of [gzipSync(text), zstdCompressSync(text, { params })]) {
      const whole = await surveyFile(bytes);
      assert.deepEqual([whole.damage, whole.tables[1]?.rows], [null, 50_000]);
      const cut = await surveyFile(bytes.subarray(0, bytes.length - 20));
      assert.match(cut.damage?.what ?? "", /stream ends too early/);
      assert.equal(cut.damage?.kind, "truncated");
      const middle = bytes.length >> 1;
      bytes.fill(0x55, middle, middle + 100);
      const wrong = await surveyFile(bytes);
      assert.match(wrong.damage?.what ?? "", /stream is damaged|has no end|zero byte/);
    }
    const twice = Buffer.concat([gzipSync(big.slice(0, 5000)), gzipSync(big.slice(5000))]);
    assert.equal((await surveyFile(twice)).damage, null);
  });

  test("names a block of zero bytes by its line", () => {
    const bytes = Buffer.from(postgresDump);
    bytes.fill(0, bytes.indexOf("one"), bytes.indexOf("one") + 2);
    const { damage } = surveyText("postgres", bytes);
    assert.deepEqual(
      [damage?.what, damage?.place.line, damage?.lastTable],
      ["the rows of table public.b hold a zero byte", 20, "public.a"],
    );
  });
});
