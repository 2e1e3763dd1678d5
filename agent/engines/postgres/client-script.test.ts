import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableData } from "../engine.ts";
import { ByteBuffer } from "../export/byte-buffer.ts";
import { clientScript } from "./client-script.ts";
import { LineFilter } from "./copy-lines.ts";

const object = (...statements: string[]) =>
  ({ kind: "view", name: "v", section: "pre-data", statements }) as const;

test("statements go through as they are, whatever is quoted in them", () => {
  const statements = [
    `COMMENT ON TABLE t IS E'a\\\\b''c -- no comment'`,
    `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $function$ select '\\!' -- "x $f$ /* $function$`,
    String.raw`CREATE TABLE "we""ird \! name" ("new` + `\nline" int DEFAULT 'it''s; \\N'::text)`,
    "CREATE TABLE größe$x (a$b$ int, c int CHECK ((c > 1)))",
  ];
  const script = clientScript(object(...statements)).toString();
  assert.equal(script, `${statements.map((one) => `${one};\n`).join("")}\n`);
});

const hostile = [
  String.raw`CREATE TABLE t (); \! touch x`,
  String.raw`CREATE TABLE t ()` + "\n\\connect other",
  "COMMENT ON TABLE t IS 'open",
  'CREATE TABLE "open (a int)',
  "CREATE FUNCTION f() AS $x$ select 1",
  "CREATE TABLE t () -- comment\r\\! touch x",
  "CREATE TABLE t () /* comment",
  "CREATE TABLE t (a text DEFAULT E'\\')\n\\! touch x",
  "CREATE TABLE a$x$ (); SELECT $x$;\n\\! touch x\n$y$",
];
for (const statement of hostile)
  test(`a statement that psql may misread is refused: ${JSON.stringify(statement)}`, () =>
    assert.throws(() => clientScript(object(statement)), { code: "object-unsupported" }));

test("a line that would end the data is refused, wherever it is cut", () => {
  const table: TableData = { schema: "s", name: "t", columns: ["a"], format: "", details: null };
  const pass = (text: string, cut: number) => {
    const out = new ByteBuffer();
    const filter = new LineFilter(table, out);
    filter.push(Buffer.from(text.slice(0, cut)), () => {});
    filter.push(Buffer.from(text.slice(cut)), () => {});
    filter.finish();
    return out.take().toString();
  };
  for (let cut = 0; cut < 12; cut++) {
    assert.equal(pass("a\\\\.\n\\\\.\n\\N\n", cut), "a\\\\.\n\\\\.\n\\N\n");
    assert.throws(() => pass("a\n\\.\n\\! x\n", cut), { code: "repository-damaged" });
    assert.throws(() => pass("a\nb", cut), { code: "repository-damaged" });
  }
});
