import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { PostgresLexer } from "./postgres-lexer.ts";
import { describeEvents, lexAll } from "./scratch-lexing.ts";

const lex = (text: string) =>
  describeEvents(lexAll(new PostgresLexer(), Buffer.from(text, "latin1")));

/** Each is one statement: nothing in it ends it before its end. */
const statements = [
  "SELECT 1",
  "SELECT ';' AS \"a;b\"",
  "SELECT 'it''s; --' || E'\\'; /*' || U&'d\\0061;' || U&\"a\"\"; b\"",
  "SELECT E'a;'\n  'b\\';c'",
  "SELECT E'a;' 'b\\', 1",
  "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT ';' || $1; $x$ ; $x$ $_$",
  "CREATE FUNCTION f() RETURNS int AS $$ begin; end; $$ LANGUAGE plpgsql",
  "SELECT /* a; /* b; */ c; */ 1 -- d;\n + 2",
  "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO u VALUES (1); DELETE FROM v)",
  "CREATE FUNCTION f(a int) RETURNS int\n BEGIN ATOMIC\n SELECT CASE a WHEN 1 THEN 2 END; SELECT 1;\nEND",
  "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (1); END",
  "SELECT 1 AS begin_atomic, a$b$c, $1, 5 / 3 - -2 * 1",
  "SELECT '\xe9\xff\x80'",
  "INSERT INTO t (a, b) VALUES (1, '('), (2, ')')",
  "SELECT 'back\\slash\\'",
];

describe("PostgresLexer", () => {
  for (const sql of statements)
    test(`takes ${JSON.stringify(sql.slice(0, 60))} as one statement`, () => {
      assert.deepEqual(lex(`${sql};\nSELECT 2;`), [
        `statement 1: ${sql}`,
        `statement ${sql.split("\n").length + 1}: SELECT 2`,
      ]);
    });

  test("finds the same wherever the bytes are cut", () => {
    const copy = "COPY public.t (a, b) FROM stdin;\n1\ta\\\\.\n\\.x\n\\N\t\\\\n\n\\.\n";
    const extra = [copy, "COPY t FROM stdin;\n\\.\n", "\\connect shop\n", "-- a comment\n", "\n\n"];
    const piece = fc.constantFrom(...statements.map((sql) => `${sql};\n`), ...extra);
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        fc.nat(30),
        (pieces, cuts, missing) => {
          const text = Buffer.from(pieces.join(""), "latin1");
          const bytes = text.subarray(0, Math.max(0, text.length - missing));
          const inside = cuts.filter((cut) => cut <= bytes.length);
          const whole = lexAll(new PostgresLexer(), bytes);
          assert.deepEqual(lexAll(new PostgresLexer(), bytes, inside), whole);
          const every = Array.from({ length: bytes.length }, (_, n) => n);
          assert.deepEqual(lexAll(new PostgresLexer(), bytes, every), whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("finds the same when the bytes are cut once, at every place", () => {
    const text = [...statements, "COPY t FROM stdin;\n1\n\\.2\n\\.\nSELECT 1"].join(";\n");
    const bytes = Buffer.from(`${text};`, "latin1");
    const whole = lexAll(new PostgresLexer(), bytes);
    for (let cut = 0; cut < bytes.length; cut++)
      assert.deepEqual(lexAll(new PostgresLexer(), bytes, [cut]), whole, `cut at ${cut}`);
  });

  test("never makes a statement of a text that was cut within it", () => {
    for (const sql of statements) {
      const bytes = Buffer.from(`SELECT 0;\n${sql};`, "latin1");
      for (let length = 11; length < bytes.length; length++) {
        const events = lexAll(new PostgresLexer(), bytes.subarray(0, length));
        assert.deepEqual(
          events.map(({ kind }) => kind),
          ["statement", "damage"],
          bytes.toString("latin1", 0, length),
        );
      }
    }
  });

  test("gives the rows of a COPY as they are, up to the line that ends them", () => {
    assert.deepEqual(lex("COPY t (a) FROM stdin;\n1\n\\.2\n\\\\.\n\\.\nSELECT 1;"), [
      "copy 1: COPY t (a) FROM stdin",
      "rows 2: 1\n\\.2\n\\\\.\n",
      "copy-end 5",
      "statement 6: SELECT 1",
    ]);
    assert.deepEqual(lex("copy t from STDIN with (format csv);\r\n1\r\n\\.\r\n"), [
      "copy 1: copy t from STDIN with (format csv)",
      "rows 2: 1\r\n",
      "copy-end 3",
    ]);
  });

  test("says where a COPY began that has no end", () => {
    assert.deepEqual(lex("COPY t FROM stdin;\n1\n2\n").slice(-1), [
      "truncated 4: the rows of a COPY have no end",
    ]);
  });

  test("counts the rows of an INSERT", () => {
    const [event] = lexAll(
      new PostgresLexer(),
      Buffer.from("INSERT INTO t (a, b) VALUES (1, f(2)), (2, '(3)'), ((3), 4);"),
    );
    assert.ok(event?.kind === "statement");
    assert.equal(event.values, 3);
  });

  test("reads backslashes as the dump's standard_conforming_strings has it", () => {
    assert.deepEqual(lex("SET standard_conforming_strings = off;\nSELECT 'a\\';b';"), [
      "statement 1: SET standard_conforming_strings = off",
      "statement 2: SELECT 'a\\';b'",
    ]);
  });

  test("knows the meta-commands of pg_dump and refuses all others", () => {
    assert.deepEqual(
      lex(
        '\\restrict aB3\n\\connect shop\n\\connect "we""ird; db"\n' +
          "\\connect -reuse-previous=on \"dbname='it\\\\''s'\"\n" +
          '\\connect -reuse-previous=on "dbname=\'it\\\'s ""x""\'"\n\\unrestrict aB3\n',
      ),
      [
        "connect 2: shop",
        'connect 3: we"ird; db',
        "refusal 4: the client command \\connect -reuse-previous=on \"dbname='it\\\\''s'\"",
        'connect 5: it\'s "x"',
      ],
    );
    for (const command of ["! id", "i /etc/passwd", "copy t from program 'id'", "o | sh", "gexec"])
      assert.deepEqual(lex(`SELECT 1;\n\\${command}\nSELECT 2;`), [
        "statement 1: SELECT 1",
        `refusal 2: the client command \\${command}`,
        "statement 3: SELECT 2",
      ]);
    assert.deepEqual(lex("SELECT 1 \\! id\n;")[0], "refusal 1: \\ inside a statement");
    assert.match(lex("COPY t FROM PROGRAM 'id';")[1] ?? "", /^refusal 1: COPY/);
    assert.match(lex("\\restrict a b\n")[0] ?? "", /^refusal/);
  });

  test("refuses encodings whose characters may hold a backslash", () => {
    assert.deepEqual(lex("SET client_encoding = 'SJIS';").slice(1), [
      "refusal 1: text in the encoding SJIS",
    ]);
    assert.deepEqual(lex("SET client_encoding = 'EUC_JP';").slice(1), []);
  });

  test("names the line of a zero byte and of an end without a COPY", () => {
    assert.deepEqual(lex("SELECT 1;\n\0\0\0;"), [
      "statement 1: SELECT 1",
      "damaged 2: a statement holds a zero byte",
    ]);
    assert.deepEqual(
      lex("\n1\t2;\n\\.\n").at(-1),
      "damaged 3: the end of a COPY stands where no COPY is",
    );
  });

  test("bounds the length of a statement", () => {
    const lexer = new PostgresLexer({ limit: 100 });
    const events = lexAll(lexer, Buffer.from(`SELECT 1;\nSELECT '${"x".repeat(200)}';`), [50]);
    assert.deepEqual(describeEvents(events), [
      "statement 1: SELECT 1",
      "damaged 2: a statement is longer than 100 bytes",
    ]);
  });
});
