import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { binaryTypes } from "./builtin-types.ts";
import { copyDatabase, openScratchSession, sumOf } from "./copy-contract.ts";

/** A value or more of every built-in type that a column may have and a copy must keep exactly. */
const values: Record<string, string[]> = {
  bool: ["true", "false"],
  bytea: ["'\\x00ff0a5c'", "''"],
  '"char"': ["'x'", "''"],
  name: ["'n'"],
  int8: ["'-9223372036854775808'", "9223372036854775807"],
  int2: ["'-32768'"],
  int4: ["'-2147483648'"],
  text: ["''", "E'a\\tb\\nc\\\\.\\r'", "'ü€😀'", "'\\N'"],
  oid: ["'4294967295'"],
  tid: ["'(4294967294,65535)'"],
  xid: ["'4294967295'"],
  cid: ["'1'"],
  json: [`'{"a":  1, "a": 2}'`],
  jsonb: [`'{"b": [1.50, null], "a": "\\u00fc"}'`, "'1e400'"],
  point: ["'(1.1,-0)'"],
  lseg: ["'[(0,0),(1,1)]'"],
  path: ["'[(0,0),(1,1)]'", "'((0,0),(1,1))'"],
  box: ["'(1,1),(0,0)'"],
  polygon: ["'((0,0),(1,1),(1,0))'"],
  line: ["'{1,2,3}'"],
  circle: ["'<(1,2),3>'"],
  float4: ["'NaN'", "'-Infinity'", "'-0'", "1.17549435e-38", "0.1"],
  float8: ["'NaN'", "'Infinity'", "'-0'", "4.9406564584124654e-324", "0.1"],
  numeric: ["'NaN'", "1e-1000", "123456789012345678901234567890.000100", "'Infinity'", "'-0.00'"],
  money: ["'-92233720368547758.08'", "12.34"],
  inet: ["'192.168.1.1/24'", "'::1'"],
  cidr: ["'10.0.0.0/8'"],
  macaddr: ["'08:00:2b:01:02:03'"],
  macaddr8: ["'08:00:2b:01:02:03:04:05'"],
  "char(5)": ["'ab'"],
  "varchar(5)": ["'ab   '"],
  date: ["'infinity'", "'4713-01-01 BC'", "'5874897-12-31'"],
  "time(3)": ["'24:00:00'", "'01:02:03.456'"],
  timetz: ["'01:02:03.456789+15:59:59'"],
  timestamp: ["'-infinity'", "'4713-01-01 BC'", "'294276-12-31 23:59:59.999999'"],
  timestamptz: ["'infinity'", "'2020-02-29 1:2:3+5'"],
  interval: ["'-178000000 years'", "'1 mon -1 day 00:00:00.000001'"],
  "bit(3)": ["B'101'"],
  varbit: ["B''", "B'1010101010101'"],
  uuid: ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
  pg_lsn: ["'16/B374D848'"],
  tsvector: ["$$'fat':1A,3 'it''s'$$"],
  tsquery: ["'fat & (rat | !cat:ab*)'", "'a <2> b'"],
  int4range: ["'empty'", "'[1,5)'", "'(,)'"],
  int8range: ["'[1,5)'"],
  numrange: ["'(1.5,)'"],
  tsrange: ["'[2020-01-01,infinity)'"],
  tstzrange: ["'(,2020-01-01 00:00+00]'"],
  daterange: ["'[2020-01-01,2020-02-01)'"],
  int4multirange: ["'{}'", "'{[1,2),[5,9)}'"],
  int8multirange: ["'{[1,2),[5,9)}'"],
  nummultirange: ["'{[1.5,2)}'"],
  tsmultirange: ["'{[2020-01-01,2020-01-02)}'"],
  tstzmultirange: ["'{[2020-01-01 00:00+00,)}'"],
  datemultirange: ["'{[2020-01-01,2020-01-02)}'"],
  // Those below go as text.
  xml: ["'<a>ü</a>'", `'<?xml version="1.0"?><a/>'`],
  regclass: ["'pg_catalog.pg_class'"],
  regproc: ["'pg_catalog.now'"],
  regprocedure: ["'pg_catalog.abs(integer)'"],
  regtype: ["'integer'"],
  regrole: ["'postgres'"],
  aclitem: ["'postgres=r/postgres'"],
  oidvector: ["'1 2'"],
  int2vector: ["'1 2'"],
  txid_snapshot: ["'1:2:'"],
  jsonpath: ["'$.a[*] ? (@ > 1)'"],
};

const types = Object.entries(values);
const typesDdl = types
  .map(([type], i) => `CREATE TABLE public.t${i} (id int, v ${type}, a ${type}[], m ${type}[][])`)
  .join(";");
const typesData = types
  .flatMap(([type, samples], i) =>
    ["NULL", ...samples].map(
      (value, n) => `INSERT INTO public.t${i} SELECT ${n}, v, ARRAY[v, NULL, v], ARRAY[[v], [v]]
        FROM (SELECT ${value}::${type} AS v) AS q`,
    ),
  )
  .join(";");

test("a copy from PostgreSQL 15 to 17 has every value of every built-in type", async () => {
  await using old = await startPostgres(15);
  await using to = await startPostgres(17);
  await copyDatabase(old, { ddl: typesDdl, data: typesData, to });
});

for (const major of [15, 17])
  describe(`a copy with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    test("has every value of every built-in type, and of its array", async () => {
      const copied = await copyDatabase(server, { ddl: typesDdl, data: typesData });
      assert.equal(copied.tables.size, types.length);
      for (const [i, [type, samples]] of types.entries()) {
        const { table, parts } = copied.tables.get(`t${i}`) ?? {};
        assert.equal(sumOf(parts ?? []).rows, BigInt(samples.length + 1), type);
        const isText = i >= types.findIndex(([name]) => name === "xml");
        assert.equal(table?.format, isText ? "postgres-copy-text" : "postgres-copy-binary", type);
      }
      const show = types.map((_, i) => `SELECT ${i}, t::text FROM public.t${i} AS t`);
      const texts = await Promise.all(
        [copied.source, copied.copy].map(async (name) => {
          await using session = await openScratchSession(server, name);
          return await session.query(`${show.join(" UNION ALL ")} ORDER BY 1, 2`);
        }),
      );
      assert.deepEqual(texts[1], texts[0]);
    });

    test("uses binary only for types that are built in, with their arrays", async () => {
      await using session = await openScratchSession(server);
      const rows = await session.query(`
        SELECT oid, typarray FROM pg_catalog.pg_type
        WHERE oid < 10000 AND typelem = 0 AND oid IN (${[...binaryTypes].join(", ")})
          OR typname = 'point' OR typname = 'box' OR typname = 'line' OR typname = 'lseg'
          OR typname = 'name'`);
      const real = rows.flatMap((row) => [Number(row["oid"]), Number(row["typarray"])]);
      assert.deepEqual(new Set(real), binaryTypes);
    });

    test("has the rows of domains, enums, composites and other types of users", async () => {
      const { tables } = await copyDatabase(server, {
        ddl: `CREATE TYPE public.mood AS ENUM ('sad', 'it''s, "ok"');
          CREATE DOMAIN public.small AS int CHECK (VALUE < 10);
          CREATE DOMAIN public.smaller AS public.small;
          CREATE DOMAIN public.list AS int[];
          CREATE TYPE public.pair AS (a int, b public.mood);
          CREATE TABLE public.e (v public.mood, a public.mood[]);
          CREATE TABLE public.d (v public.smaller, l public.list);
          CREATE TABLE public.da (v public.smaller[]);
          CREATE TABLE public.c (v public.pair, a public.pair[]);
          CREATE TYPE public.span AS RANGE (subtype = int4);
          CREATE TABLE public.r (v public.span)`,
        data: `INSERT INTO public.e VALUES ('sad', '{sad,NULL}'), ('it''s, "ok"', NULL);
          INSERT INTO public.d VALUES (3, '{1,2}'), (NULL, NULL);
          INSERT INTO public.da VALUES ('{3,NULL}');
          INSERT INTO public.c VALUES ((1, 'sad'), ARRAY[(2, 'it''s, "ok"')::public.pair]);
          INSERT INTO public.r VALUES ('[1,4)')`,
      });
      const formats = [...tables.values()].map(({ table }) => `${table.name} ${table.format}`);
      assert.deepEqual(formats.sort(), [
        "c postgres-copy-text",
        "d postgres-copy-binary",
        "da postgres-copy-text",
        "e postgres-copy-text",
        "r postgres-copy-text",
      ]);
    });

    test("has tables of no rows, no columns, odd names, generated and dropped columns", async () => {
      const { tables } = await copyDatabase(server, {
        ddl: `CREATE TABLE public.plain (id int, gone int, t text);
          ALTER TABLE public.plain DROP COLUMN gone;
          CREATE TABLE public.none ();
          CREATE TABLE public.empty (id int);
          CREATE UNLOGGED TABLE public.empty_text (x xml);
          CREATE SCHEMA "sch.""ema";
          CREATE TABLE "sch.""ema"."we""ird\n; näme\\" ("a ""b"" \n c" xml, "ü'" int, "select" int);
          CREATE TABLE public.gen (a int, b int GENERATED ALWAYS AS (a * 2) STORED,
            id int GENERATED ALWAYS AS IDENTITY);
          CREATE TABLE public.only_gen (b int GENERATED ALWAYS AS (1) STORED)`,
        data: `INSERT INTO public.plain SELECT i, repeat('x', i % 100) FROM generate_series(1, 10000) i;
          INSERT INTO public.none SELECT FROM generate_series(1, 7);
          INSERT INTO "sch.""ema"."we""ird\n; näme\\" VALUES ('<a>b</a>', 1, 2), (NULL, NULL, 3),
            (E'a\\tb\\nc\\\\.', 3, 4), (E'\\\\.', 4, 5);
          INSERT INTO public.gen (a) VALUES (1), (2);
          INSERT INTO public.only_gen DEFAULT VALUES`,
      });
      const rows = [...tables].map(([name, { parts }]) => [name, Number(sumOf(parts).rows)]);
      assert.deepEqual(Object.fromEntries(rows), {
        plain: 10_000,
        none: 7,
        empty: 0,
        empty_text: 0,
        'we"ird\n; näme\\': 4,
        gen: 2,
        only_gen: 1,
      });
      assert.deepEqual(tables.get("gen")?.table.columns, ["a", "id"]);
      assert.deepEqual(tables.get("plain")?.table.columns, ["id", "t"]);
    });

    test("has values far larger than any buffer", async () => {
      const { tables } = await copyDatabase(server, {
        ddl: "CREATE TABLE public.big (id int, v bytea); CREATE TABLE public.text (v text, x xml)",
        data: `INSERT INTO public.big SELECT 1, decode(repeat('00ff0a5c', 5 << 20), 'hex');
          INSERT INTO public.big VALUES (2, NULL), (3, '');
          INSERT INTO public.text SELECT repeat(E'ab\\n\\\\', 2 << 20)`,
      });
      assert.equal(sumOf(tables.get("big")?.parts ?? []).rows, 3n);
      assert.ok(sumOf(tables.get("big")?.parts ?? []).bytes > 20n << 20n);
    });

    test("has leaves of partitioned tables and children, each with its own rows only", async () => {
      const { tables } = await copyDatabase(server, {
        ddl: `CREATE TABLE public.p (k int, v text) PARTITION BY RANGE (k);
          CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10);
          CREATE TABLE public.p2 (v text, gone int, k int);
          ALTER TABLE public.p2 DROP COLUMN gone;
          ALTER TABLE public.p ATTACH PARTITION public.p2 FOR VALUES FROM (10) TO (20);
          CREATE TABLE public.parent (a int);
          CREATE TABLE public.child () INHERITS (public.parent);
          CREATE TEMPORARY TABLE mine (a int);
          CREATE VIEW public.w AS SELECT * FROM public.parent;
          CREATE MATERIALIZED VIEW public.m AS SELECT * FROM public.parent`,
        data: `INSERT INTO public.p SELECT i, 'x' FROM generate_series(0, 19) i;
          INSERT INTO public.parent VALUES (1), (2); INSERT INTO public.child VALUES (3)`,
      });
      const rows = [...tables].map(([name, { parts }]) => [name, Number(sumOf(parts).rows)]);
      assert.deepEqual(Object.fromEntries(rows), { p1: 10, p2: 10, parent: 2, child: 1 });
    });

    for (const [encoding, name, value] of [
      ["LATIN1", "nämé", "'é' || chr(255)"],
      ["EUC_JP", "表", "'日本語'"],
      ["SQL_ASCII", "n\udcff\udce4me", "'a' || chr(255) || chr(128)"],
    ] as const)
      test(`has the bytes of a ${encoding} database, names too`, async () => {
        const { tables, source, copy } = await copyDatabase(server, {
          ddl: `CREATE TABLE public."${name}" ("c${name}" text); CREATE TABLE public.x (t text, v xml)`,
          data: `INSERT INTO public."${name}" VALUES (${value}), ('ascii');
            INSERT INTO public.x VALUES (${value}), ('ascii')`,
          options: `ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`,
        });
        assert.deepEqual([...tables.keys()].sort(), [name, "x"].sort());
        assert.deepEqual(tables.get(name)?.table.columns, [`c${name}`]);
        const shown = await Promise.all(
          [source, copy].map(async (database) => {
            await using session = await openScratchSession(server, database);
            return await session.query(
              "SELECT encode(convert_to(t, getdatabaseencoding()), 'hex') AS h FROM public.x",
            );
          }),
        );
        assert.deepEqual(shown[1], shown[0]);
      });
  });
