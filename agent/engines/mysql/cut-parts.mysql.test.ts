import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { addSums, emptySums, noChunks, RowChunker } from "../../pipeline/row-chunker.ts";
import type { Part, TableData } from "../engine.ts";
import { cutParts } from "./cut-parts.ts";
import { openScratch, openView, type Scratch } from "./scratch-copy.ts";
import { openSession } from "./session.ts";
import { setUpReading } from "./setup-session.ts";

let scratch: Scratch;
const { signal } = new AbortController();
before(async () => (scratch = await openScratch()));
after(async () => await scratch[Symbol.asyncDispose]());
beforeEach(async () => {
  await scratch.root.execute("DROP DATABASE IF EXISTS source", { signal });
  await scratch.root.execute("CREATE DATABASE source", { signal });
});

const key = Buffer.alloc(16, 7);

/** Cuts `t` into parts of about `bytes`, and proves that they hold each of its rows once. */
async function cut(bytes: number): Promise<Part[]> {
  await scratch.rows("source", "ANALYZE TABLE t");
  await using view = await openView(scratch.engine("source"), 1);
  const table = (await view.snapshot.listTables()).find(({ name }) => name === "t");
  assert.ok(table !== undefined);
  await using session = await openSession(scratch.login("source"), { signal });
  await setUpReading(session, signal);
  const parts = await cutParts(session, table, { signal, bytes });
  const sum = async (some: Part[]) => {
    let sums = emptySums;
    for (const part of some) {
      const rows = new RowChunker(noChunks, key);
      rows.beginPart();
      await view.readers[0]?.readPart(part, rows, { signal });
      sums = addSums(sums, rows.endPart());
    }
    return sums;
  };
  const whole: Part = { table: noKey(table), range: { after: null, upTo: null }, estimate: 0 };
  const all = await sum([whole]);
  const [count] = await scratch.rows("source", "SELECT COUNT(*) AS n FROM t");
  assert.equal(String(all.rows), count?.["n"]);
  assert.deepEqual(await sum(parts), all);
  return parts;
}

function noKey(table: TableData): TableData {
  const details = table.details as { [key: string]: never };
  return { ...table, details: { ...details, key: [] as never } };
}

const filler = "REPEAT('x', 200)";

interface Case {
  name: string;
  columns: string;
  insert: string[];
  least: number;
}

const cases: Case[] = [
  {
    name: "a growing integer key",
    columns: "id INT AUTO_INCREMENT PRIMARY KEY, f TEXT",
    insert: [`INSERT INTO t SELECT seq, ${filler} FROM seq_1_to_20000`],
    least: 5,
  },
  {
    name: "negative integers and wide gaps",
    columns: "id BIGINT PRIMARY KEY, f TEXT",
    insert: [
      `INSERT INTO t SELECT CAST(seq AS SIGNED) - 5000, ${filler} FROM seq_1_to_10000`,
      `INSERT INTO t SELECT 9223372036854775807 - CAST(seq AS SIGNED), ${filler} FROM seq_0_to_5000`,
      `INSERT INTO t SELECT -9223372036854775808 + CAST(seq AS SIGNED), ${filler} FROM seq_0_to_5000`,
    ],
    least: 5,
  },
  {
    name: "the largest unsigned integers",
    columns: "id BIGINT UNSIGNED PRIMARY KEY, f TEXT",
    insert: [
      `INSERT INTO t SELECT 18446744073709551615 - seq, ${filler} FROM seq_0_to_10000`,
      `INSERT INTO t SELECT seq, ${filler} FROM seq_0_to_10000`,
    ],
    least: 4,
  },
  {
    name: "a composite key",
    columns: "a INT, b VARCHAR(10), c DATE, f TEXT, PRIMARY KEY (a, b, c)",
    insert: [
      `INSERT INTO t SELECT seq % 3, seq % 100, '2020-01-01' + INTERVAL seq DAY, ${filler} FROM seq_1_to_20000`,
    ],
    least: 5,
  },
  {
    name: "text that ignores case and accents",
    columns: "k VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, f TEXT",
    insert: [
      `INSERT INTO t SELECT CONCAT(ELT(1 + seq % 4, 'a', 'B', 'é', 'ß'), ' ', seq, '\\\\''"'), ${filler} FROM seq_1_to_20000`,
    ],
    least: 5,
  },
  {
    name: "text of a wide character set, padded",
    columns: "k CHAR(20) CHARACTER SET ucs2 PRIMARY KEY, f TEXT",
    insert: [`INSERT INTO t SELECT CONCAT(seq % 7, 'x', seq), ${filler} FROM seq_1_to_20000`],
    least: 5,
  },
  {
    name: "bytes",
    columns: "k VARBINARY(40) PRIMARY KEY, f TEXT",
    insert: [`INSERT INTO t SELECT UNHEX(SHA1(seq)), ${filler} FROM seq_1_to_20000`],
    least: 5,
  },
  {
    name: "decimals and moments",
    columns:
      "d DECIMAL(20,5), at TIMESTAMP(6) NULL, m DATETIME(3) NOT NULL, f TEXT, PRIMARY KEY (d, m)",
    insert: [
      `INSERT INTO t SELECT (CAST(seq AS SIGNED) - 10000) / 7, NULL, '2020-01-01' + INTERVAL seq SECOND, ${filler} FROM seq_1_to_20000`,
    ],
    least: 5,
  },
  {
    name: "a unique key without NULLs",
    columns: "a INT, b INT NOT NULL, f TEXT, UNIQUE KEY (a), UNIQUE KEY (b)",
    insert: [`INSERT INTO t SELECT NULL, seq, ${filler} FROM seq_1_to_20000`],
    least: 5,
  },
  {
    name: "partitions",
    columns: "id INT PRIMARY KEY, f TEXT",
    insert: [
      "ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 3",
      `INSERT INTO t SELECT seq, ${filler} FROM seq_1_to_20000`,
    ],
    least: 3,
  },
];

for (const { name, columns, insert, least } of cases)
  test(`cutParts() covers each row once: ${name}`, async () => {
    await scratch.run("source", [`CREATE TABLE t (${columns})`, ...insert]);
    const parts = await cut(300_000);
    assert.ok(parts.length >= least && parts.length <= 60, `${parts.length} parts`);
  });

for (const columns of ["a INT, f TEXT", "e ENUM('b', 'a'), n INT, f TEXT, PRIMARY KEY (e, n)"])
  test(`cutParts() leaves a table whole when it cannot be cut: ${columns}`, async () => {
    await scratch.run("source", [`CREATE TABLE t (${columns})`]);
    const values = columns.startsWith("a") ? "seq" : "1 + seq % 2, seq";
    await scratch.run("source", [`INSERT INTO t SELECT ${values}, ${filler} FROM seq_1_to_20000`]);
    assert.equal((await cut(300_000)).length, 1);
  });

test("cutParts() keeps its borders when rows are appended", async () => {
  await scratch.run("source", [
    "CREATE TABLE t (id INT PRIMARY KEY, f TEXT)",
    `INSERT INTO t SELECT seq, ${filler} FROM seq_1_to_20000`,
  ]);
  const ends = (parts: Part[]) => parts.map(({ range }) => JSON.stringify(range)).slice(0, -1);
  const first = ends(await cut(300_000));
  await scratch.run("source", [`INSERT INTO t SELECT seq, ${filler} FROM seq_20001_to_21000`]);
  const second = ends(await cut(300_000));
  const kept = first.filter((range) => second.includes(range));
  assert.ok(kept.length >= first.length * 0.7, `${kept.length} of ${first.length}`);
});
