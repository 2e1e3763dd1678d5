import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { quoteName } from "./quote.ts";
import { copyDatabase, openScratch, type Scratch } from "./scratch-copy.ts";

let scratch: Scratch;
before(async () => (scratch = await openScratch({ "max-allowed-packet": "64M" })));
after(async () => await scratch[Symbol.asyncDispose]());

const lenient = "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'";

/** Counts the rows of a copied table that are not, column by column, those of its source. */
async function countDifferences(table: string, columns: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const column of columns) {
    const name = quoteName(column);
    const [row] = await scratch.rows(
      "source",
      `SELECT COUNT(*) AS n FROM source.${table} a JOIN copy.${table} b ON a.id = b.id
       WHERE NOT (a.${name} <=> b.${name}) OR NOT (HEX(a.${name}) <=> HEX(b.${name}))`,
    );
    if (row?.["n"] !== "0") found.push(column);
  }
  const counts = `SELECT (SELECT COUNT(*) FROM source.${table}) = (SELECT COUNT(*) FROM copy.${table}) AS same`;
  const [row] = await scratch.rows("source", counts);
  return row?.["same"] === "1" ? found : [...found, "count"];
}

interface Values {
  type: string;
  values: string[];
}

/** One table with a column of each type; row n holds the n-th value of each. */
async function roundTrip(columns: Record<string, Values>): Promise<string[]> {
  await scratch.run("mysql", [
    "DROP DATABASE IF EXISTS source",
    "DROP DATABASE IF EXISTS copy",
    "CREATE DATABASE source",
  ]);
  const names = Object.keys(columns);
  const list = names.map((name) => `${quoteName(name)} ${columns[name]?.type}`).join(", ");
  const count = Math.max(...names.map((name) => columns[name]?.values.length ?? 0));
  const rows = Array.from({ length: count }, (_, n) => {
    const values = names.map((name) => columns[name]?.values[n] ?? "NULL");
    return `INSERT INTO t VALUES (${[n, ...values].join(", ")})`;
  });
  const create = `CREATE TABLE t (id INT PRIMARY KEY, ${list}) CHARACTER SET utf8mb4`;
  await scratch.run("source", [lenient, create, ...rows]);
  await copyDatabase(scratch.engine("source"), scratch.engine("copy"));
  return await countDifferences("t", names);
}

test("numbers of every type come back exact", async () => {
  const differing = await roundTrip({
    tiny: { type: "TINYINT", values: ["-128", "127", "0"] },
    zero: { type: "INT(8) UNSIGNED ZEROFILL", values: ["0", "42", "4294967295"] },
    big: { type: "BIGINT UNSIGNED", values: ["18446744073709551615", "0"] },
    small: { type: "BIGINT", values: ["-9223372036854775808", "9223372036854775807"] },
    dec: {
      type: "DECIMAL(65,30)",
      values: ["-12345678901234567890.123456789012345678901234567891"],
    },
    float: {
      type: "FLOAT",
      values: ["-0e0", "0.1", "16777217", "3.4028234e38", "1.17549e-38", "1e-45"],
    },
    fixed: { type: "FLOAT(7,2)", values: ["1.23", "12345.67", "-0e0"] },
    double: { type: "DOUBLE", values: ["-0e0", "0.1", "1.7976931348623157e308", "5e-324", "1/3"] },
    fixedDouble: { type: "DOUBLE(20,5)", values: ["1.00001", "123456789012.12345"] },
    bit: { type: "BIT(64)", values: ["b'1'", "~0", "0", "0x5C"] },
    bit3: { type: "BIT(3)", values: ["5", "0", "7"] },
    bool: { type: "BOOLEAN", values: ["TRUE", "FALSE"] },
  });
  assert.deepEqual(differing, []);
});

test("FLOAT keeps its bits, of which the server prints six digits", async () => {
  await roundTrip({ f: { type: "FLOAT", values: ["0.1", "16777217", "1e-45"] } });
  const sql = "SELECT GROUP_CONCAT(f * 1e0 ORDER BY id) AS f FROM t";
  const [copy] = await scratch.rows("copy", sql);
  const [source] = await scratch.rows("source", sql);
  assert.equal(copy?.["f"], source?.["f"]);
  assert.match(copy?.["f"] ?? "", /^0\.10000000149011612,16777216,1\.4/);
});

test("dates and times come back as they were, also those that do not exist", async () => {
  const zero = "'0000-00-00'";
  const differing = await roundTrip({
    date: { type: "DATE", values: [zero, "'2004-02-31'", "'2020-00-00'", "'9999-12-31'"] },
    time: { type: "TIME(6)", values: ["'-838:59:59.000001'", "'838:59:59.999999'", "'00:00:00'"] },
    datetime: {
      type: "DATETIME(6)",
      values: ["'0000-00-00 00:00:00'", "'2020-02-30 12:00:00.000001'"],
    },
    stamp: {
      type: "TIMESTAMP(3) NULL",
      values: ["'0000-00-00 00:00:00'", "'2038-01-19 03:14:07.999'", "'2020-10-25 01:30:00'"],
    },
    year: { type: "YEAR", values: ["'0000'", "1901", "2155", "2000"] },
  });
  assert.deepEqual(differing, []);
});

const hostile = [
  "''",
  String.raw`'\\N'`,
  String.raw`'\\'`,
  String.raw`'a\tb\nc\r\0d\Z'`,
  "'NULL'",
  "_utf8mb4 x'F09F9880'",
  "'  spaces  '",
];

test("text and bytes come back exact, in every kind of character set", async () => {
  const differing = await roundTrip({
    utf8: { type: "VARCHAR(40)", values: hostile },
    "hostile `name`, 'q'": { type: "TEXT", values: hostile },
    latin: { type: "VARCHAR(40) CHARACTER SET latin1", values: ["_latin1 x'E98081FF00'", "''"] },
    ucs2: { type: "VARCHAR(40) CHARACTER SET ucs2", values: ["_ucs2 x'0000005C000AD7FF'", "''"] },
    utf16: { type: "TEXT CHARACTER SET utf16", values: ["_utf16 x'D83DDE00005C'"] },
    utf32: { type: "CHAR(10) CHARACTER SET utf32", values: ["_utf32 x'0001F6000000005C'"] },
    sjis: { type: "VARCHAR(40) CHARACTER SET sjis", values: ["_sjis x'835C'", "_sjis x'955C5C'"] },
    gbk: { type: "VARCHAR(40) CHARACTER SET gbk", values: ["_gbk x'815C'"] },
    fixed: { type: "CHAR(10)", values: ["'a'", "'a  '", "''"] },
    binary: { type: "BINARY(8)", values: ["x'00'", "x'2000'", "x'5C4E0A09'"] },
    varbinary: { type: "VARBINARY(300)", values: ["''", "x'00'", "UNHEX(REPEAT('FF5C4E', 100))"] },
    blob: { type: "LONGBLOB", values: ["''", "x'FE'", "REPEAT('\\\\', 70000)", "x'FBFCFDFEFF'"] },
    enum: { type: "ENUM('', '0', 'é', 'a''b')", values: ["''", "'0'", "'é'", "0", "4"] },
    ucs2enum: { type: "ENUM('a', 'é') CHARACTER SET ucs2", values: ["'a'", "'é'", "0"] },
    ucs2set: { type: "SET('a', 'é') CHARACTER SET ucs2", values: ["'a,é'", "''", "2"] },
    set: { type: "SET('a', 'b c', '0', 'é')", values: ["''", "'a,é'", "15", "'0'"] },
    compressed: { type: "TEXT COMPRESSED", values: ["REPEAT('x', 1000)", "''"] },
  });
  assert.deepEqual(differing, []);
});

test("JSON, spatial, UUID and network addresses come back exact", async () => {
  const differing = await roundTrip({
    json: { type: "JSON", values: [`'{"a": [1, 2.50, "x\\\\ny"]}'`, "'null'"] },
    point: { type: "POINT", values: ["POINT(1.5, -2)", "ST_GeomFromText('POINT(1 2)', 4326)"] },
    shape: {
      type: "GEOMETRY",
      values: [
        "ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')",
        "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')",
      ],
    },
    uuid: { type: "UUID", values: ["'123e4567-e89b-12d3-a456-426655440000'"] },
    inet6: { type: "INET6", values: ["'::1'", "'2001:db8::ff00:42:8329'"] },
    inet4: { type: "INET4", values: ["'192.168.0.1'"] },
  });
  assert.deepEqual(differing, []);
});

test("values of 20 MB pass in pieces", async () => {
  const differing = await roundTrip({
    blob: { type: "LONGBLOB", values: ["REPEAT('a', 20 << 20)", "REPEAT('\\\\', 17 << 20)"] },
    after: { type: "INT", values: ["1", "2"] },
  });
  assert.deepEqual(differing, []);
});

test("generated columns are made again, invisible ones are copied", async () => {
  const differing = await roundTrip({
    a: { type: "INT", values: ["1", "2"] },
    stored: { type: "INT AS (a + 1) STORED", values: ["DEFAULT", "DEFAULT"] },
    virtual: { type: "INT AS (a + 2) VIRTUAL", values: ["DEFAULT", "DEFAULT"] },
  });
  assert.deepEqual(differing, []);
});
