import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import type { TableData } from "../engine.ts";
import type { RowForm } from "../export/exporter.ts";
import { createPostgresExporter } from "./exporter.ts";

let server: PostgresServer;
/** By name: a type's oid, and that of its array. */
let oids: Map<string, number[]>;
before(async () => {
  server = await startPostgres(15);
  const sql = "SELECT oid::regtype, oid, typarray FROM pg_type";
  const lines = (await copyOut(sql)).toString().split("\n");
  const fields = lines.map((line) => line.split("\t"));
  oids = new Map(fields.map(([name = "", ...own]) => [name, own.map(Number)]));
});
after(async () => await server[Symbol.asyncDispose]());

const execute = promisify(execFile);
const options =
  "-c timezone=UTC -c lc_monetary=C -c extra_float_digits=3 -c intervalstyle=postgres";

async function copyOut(sql: string, option = ""): Promise<Buffer> {
  const where = [
    "-h",
    server.socketFolder,
    "-p",
    String(server.port),
    "-U",
    "postgres",
    "postgres",
  ];
  const { stdout } = await execute(
    "psql",
    [...where, "-X", "-c", `COPY (${sql}) TO STDOUT ${option}`],
    {
      encoding: "buffer",
      maxBuffer: 1 << 28,
      env: { ...process.env, PGOPTIONS: options },
    },
  );
  return stdout;
}

const facts = {
  flavour: "postgres",
  version: "15",
  instance: "1",
  host: "h",
  database: "d",
  settings: { encoding: "UTF8" },
};

function tableOf(types: number[], format = "postgres-copy-binary"): TableData {
  const columns = types.map((_, n) => `c${n}`);
  return { schema: "s", name: "t", columns, format, details: { encoding: "UTF8", types } };
}

/** What the writer makes of the bytes, given in pieces of `size`. */
function write(table: TableData, form: RowForm, bytes: Buffer, size = bytes.length): Buffer {
  const writer = createPostgresExporter(facts).openRows(table, form);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size)
    pieces.push(Buffer.from(writer.write(bytes.subarray(at, at + size), () => {})));
  writer.end();
  return Buffer.concat(pieces);
}

/** A SELECT of values of a type and of arrays of them, and the columns' types. */
function rowsOf(type: string, values: string) {
  const name = type.replace(/\(.*/, "");
  const [oid = 0, array = 0] = oids.get(names[name] ?? name) ?? [];
  const sql = `SELECT v::${type}, ARRAY[v::${type}, NULL], ARRAY[[v::${type}],[v::${type}]] FROM (${values}) AS x (v)`;
  return { types: [oid, array, array], sql };
}

/** What `regtype` calls the types that have another name in SQL. */
const names: Record<string, string> = {
  bool: "boolean",
  varchar: "character varying",
  char: "character",
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  float4: "real",
  float8: "double precision",
  time: "time without time zone",
  timetz: "time with time zone",
  timestamp: "timestamp without time zone",
  timestamptz: "timestamp with time zone",
  varbit: "bit varying",
};

const of = (...values: string[]) =>
  `VALUES (NULL), ${values.map((value) => `('${value.replaceAll("'", "''")}')`).join(", ")}`;
const texts = of(
  "",
  "a b",
  "NULL",
  String.raw`\N`,
  String.raw`\.`,
  'q"q',
  "a,b;c",
  "{}",
  "x\ty\nz\r\b\f\v",
  "größe😀",
);

const cases: Record<string, string> = {
  bool: of("t", "f"),
  bytea: of("", String.raw`\x00ff0a5c`, String.raw`\x61`),
  '"char"': of("", "a", "'"),
  name: texts,
  text: texts,
  varchar: texts,
  "char(5)": of("a", "", "a b"),
  int2: of("-32768", "32767"),
  int4: of("-2147483648", "0"),
  int8: of("-9223372036854775808", "9223372036854775807"),
  oid: of("0", "4294967295"),
  xid: of("0", "4294967295"),
  cid: of("7"),
  tid: of("(0,1)", "(4294967295,65535)"),
  json: of('{"a" : 1,\n "a":2}', "null", '"x\\ny"'),
  jsonb: of('{"a": [1, 2.50]}', "null", '"x\\ny"'),
  point: of("(1,-2.5)", "(1e300,NaN)"),
  lseg: of("[(0,0),(1,1)]"),
  path: of("[(0,0),(1,1)]", "((0,0),(1,1.5),(2,2))"),
  box: of("(0,0),(1,1)"),
  polygon: of("((0,0),(1,1),(2,0))"),
  line: of("{1,-1,0}"),
  circle: of("<(1,2),3>"),
  cidr: of("10.1.0.0/16", "2001:db8::/32", "::/0"),
  inet: of(
    "10.0.0.1",
    "10.0.0.1/24",
    "::1",
    "::",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
    "1:0:0:2:0:0:0:3/64",
    "1:2:3:4:5:6:0:8",
  ),
  macaddr: of("08:00:2b:01:02:03"),
  macaddr8: of("08:00:2b:01:02:03:04:05"),
  float4: of(
    "NaN",
    "-Infinity",
    "-0",
    "0.1",
    "1e-45",
    "3.4028235e38",
    "123456",
    "1234567",
    "0.0001",
    "0.00001",
    "16777217",
  ),
  float8: of(
    "NaN",
    "Infinity",
    "-0",
    "0.1",
    "5e-324",
    "1.7976931348623157e308",
    "1e14",
    "1e15",
    "123456789012345.6",
    "0.0001",
    "0.00001234",
  ),
  numeric: of(
    "NaN",
    "Infinity",
    "-Infinity",
    "0",
    "0.000",
    "-1.50",
    "1e-300",
    "1e300",
    "12345678901234567890.000100",
    "10000",
    "0.0001",
    "100000000",
  ),
  money: of("$0.05", "-$1,234,567.89", "92233720368547758.07"),
  date: of(
    "infinity",
    "-infinity",
    "4713-01-01 BC",
    "0001-12-31 BC",
    "0001-01-01",
    "1900-02-28",
    "2000-02-29",
    "2100-03-01",
    "5874897-12-31",
  ),
  time: of("00:00", "24:00", "12:34:56.000001", "01:02:03.5"),
  timetz: of("12:00+00", "12:00-05:30", "01:00+01:02:03"),
  timestamp: of(
    "infinity",
    "-infinity",
    "4713-01-01 00:00:00.000001 BC",
    "1999-12-31 23:59:59.999999",
    "294276-12-31",
  ),
  timestamptz: of("infinity", "2026-10-25 02:30+01", "0044-03-15 12:00:00+00 BC"),
  interval: of(
    "0",
    "1 year",
    "-1 mon +2 days",
    "1 mon -1 day 00:00:00.000001",
    "-178000000 years",
    "-3 days -04:05:06",
    "1 year -13 mon",
    "-1 day",
    "100:00:00",
  ),
  bit: of("1", "0"),
  "bit(9)": of("101010101"),
  varbit: of("", "1", "11111111000"),
  uuid: of("123e4567-e89b-12d3-a456-426655440000"),
  pg_lsn: of("16/B374D848", "0/0"),
  tsvector: of("", "a:1A,2B fat:3C,4 'it''s' 'back\\\\slash'", "plain words"),
  tsquery: of(
    "",
    "a & b | !c",
    "a <-> (b <2> c)",
    "!(a | b) & c:*AB",
    "(a <-> b) <-> c",
    "!!a",
    "'it''s':D",
  ),
  int4range: of("empty", "[1,5)", "(,)", "[,3)"),
  int8range: of("[1,5]"),
  numrange: of("(1.5,2.50]", "[NaN,)"),
  tsrange: of('["2026-01-01 00:00","2026-01-02 10:00:00.5")'),
  tstzrange: of('["2026-01-01 00:00+00",)'),
  daterange: of("[2026-01-01,infinity)"),
  int4multirange: of("{}", "{[1,3),[5,9)}"),
  int8multirange: of("{[1,3)}"),
  nummultirange: of("{[1,3),(5,6.5]}"),
  tsmultirange: of("{[2026-01-01,2026-01-02)}"),
  tstzmultirange: of("{[2026-01-01 00:00+00,2026-01-02 00:00+00)}"),
  datemultirange: of("{[2026-01-01,2026-01-02)}"),
};

for (const [type, values] of Object.entries(cases)) {
  test(`values of ${type} and their arrays are written as the server writes them`, async () => {
    const { types, sql } = rowsOf(type, values);
    const [all, lines, comma] = await Promise.all([
      copyOut(sql, "(FORMAT binary)"),
      copyOut(sql),
      copyOut(sql, "(FORMAT csv)"),
    ]);
    const binary = all.subarray(19, -2);
    const csv = comma.toString();
    const table = tableOf(types);
    for (const size of [binary.length, 1, 7])
      assert.equal(write(table, "sql", binary, size).toString(), lines.toString());
    assert.equal(write(table, "csv", binary).toString().replaceAll("\r\n", "\n"), csv);
    const text = write(tableOf(types, "postgres-copy-text"), "csv", lines, 3).toString();
    assert.equal(text.replaceAll("\r\n", "\n"), csv);
  });
}

test("an array keeps its bounds", async () => {
  const sql = "SELECT '[2:3][-1:0]={{a,b},{c,d}}'::text[], '{}'::text[]";
  const binary = (await copyOut(sql, "(FORMAT binary)")).subarray(19, -2);
  assert.equal(
    write(tableOf([1009, 1009]), "sql", binary).toString(),
    (await copyOut(sql)).toString(),
  );
});
