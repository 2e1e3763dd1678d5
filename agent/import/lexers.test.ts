import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MysqlLexer } from "./mysql-lexer.ts";
import { PostgresLexer } from "./postgres-lexer.ts";
import { lexAll } from "./scratch-lexing.ts";
import type { ScriptEvent } from "./script-lexer.ts";

/** What means something to a lexer, in any order: most of it is no SQL. */
const shared = ["'", '"', "\\", "--", "-", " ", "\n", "\r\n", "/*", "*/", "/", "*", ";", "(", ")"];
const words = ["a", "E", "1", "\xe9", "\0", "SET x = 1;", "INSERT INTO t VALUES (1);\n"];
const postgres = [
  "$",
  "$$",
  "$a$",
  "E'",
  "U&'",
  "\\.",
  "\\.\n",
  "\n\\.\n",
  "\\connect x\n",
  "\\! id\n",
  "COPY t FROM stdin;\n",
  "copy t (a) from STDIN;",
  "CREATE FUNCTION f() BEGIN ATOMIC ",
  "CASE ",
  "END;",
  "BEGIN;",
  "SET standard_conforming_strings = off;\n",
];
const mysql = [
  "`",
  "#",
  "/*!",
  "/*!40101 ",
  "/*M!100100 ",
  "DELIMITER ;;\n",
  "delimiter $$\n",
  "$$",
  ";;",
  "DELIMITER ;\n",
  "\\N",
  "\\!",
  "system id\n",
  "-- ",
  "SET sql_mode='NO_BACKSLASH_ESCAPES';",
  "SET @m = @@sql_mode;",
  "SET sql_mode=@m;",
  "/*M!999999\\- enable the sandbox mode */\n",
];

for (const [name, Lexer, own] of [
  ["PostgresLexer", PostgresLexer, postgres],
  ["MysqlLexer", MysqlLexer, mysql],
] as const) {
  const text = fc
    .array(fc.constantFrom(...shared, ...words, ...own), { maxLength: 40 })
    .map((pieces) => Buffer.from(pieces.join(""), "latin1"));

  describe(`${name}, given anything`, () => {
    test("finds the same wherever the bytes are cut", () => {
      fc.assert(
        fc.property(text, fc.array(fc.nat(300), { maxLength: 6 }), (bytes, places) => {
          const whole = lexAll(new Lexer(), bytes);
          const cuts = places.map((place) => place % (bytes.length + 1));
          assert.deepEqual(lexAll(new Lexer(), bytes, cuts), whole);
          const every = Array.from({ length: bytes.length }, (_, n) => n);
          assert.deepEqual(lexAll(new Lexer(), bytes, every), whole);
        }),
        { numRuns: 2000 },
      );
    });

    test("passes over a mark of UTF-8 before everything", () => {
      const sql = Buffer.from("\ufeffSELECT '\ufeff';");
      for (let cut = 0; cut < sql.length; cut++)
        assert.deepEqual(statementsOf(lexAll(new Lexer(), sql, [cut])), [
          Buffer.from("SELECT '\ufeff'").toString("latin1"),
        ]);
    });

    test("gives statements as they stand, at the line that it says", () => {
      fc.assert(
        fc.property(text, (bytes) => {
          for (const event of lexAll(new Lexer(), bytes)) assertStands(event, bytes);
        }),
        { numRuns: 2000 },
      );
    });

    test("gives nothing of a statement that has not ended", () => {
      fc.assert(
        fc.property(text, fc.nat(300), (bytes, place) => {
          const cut = place % (bytes.length + 1);
          const whole = statementsOf(lexAll(new Lexer(), bytes));
          const some = statementsOf(lexAll(new Lexer(), bytes.subarray(0, cut)));
          assert.deepEqual(some, whole.slice(0, some.length));
        }),
        { numRuns: 2000 },
      );
    });
  });
}

function statementsOf(events: ScriptEvent[]): string[] {
  return events.flatMap((event) =>
    event.kind === "statement" || event.kind === "copy" ? event.sql.toString("latin1") : [],
  );
}

function assertStands(event: ScriptEvent, bytes: Buffer): void {
  const piece =
    event.kind === "rows"
      ? event.bytes
      : event.kind === "statement" || event.kind === "copy"
        ? event.sql
        : undefined;
  if (piece === undefined || event.kind === "damage") return;
  const { line, byte } = event.place;
  assert.deepEqual(bytes.subarray(byte, byte + piece.length), piece);
  const before = bytes.toString("latin1", 0, byte);
  assert.equal(line, before.split("\n").length);
}
