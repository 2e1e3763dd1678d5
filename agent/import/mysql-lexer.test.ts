import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MysqlLexer } from "./mysql-lexer.ts";
import { describeEvents, lexAll } from "./scratch-lexing.ts";

const lex = (text: string) => describeEvents(lexAll(new MysqlLexer(), Buffer.from(text, "latin1")));

/** Each is one statement: nothing in it ends it before its end. */
const statements = [
  "SELECT 1",
  "INSERT INTO `a;``b` VALUES (1,'it\\'s; -- \\\\'),(2,\"x;\\\"y\"),(3,'a''b;')",
  "/*!40101 SET @saved_cs_client     = @@character_set_client */",
  "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t AFTER INSERT ON u FOR EACH ROW BEGIN /* it's; */ SET @a = 1; -- don't; */\nSET @b = 2; END */",
  "/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY */",
  "SELECT /* a; a longer one; */ 1 # b;\n - 2 -- c;\n --1",
  "SELECT 5--1, 2*3, 4/2, \\N, 0xABCDEF",
  "INSERT INTO t VALUES ('\xe9\xff\x80\\0')",
];

describe("MysqlLexer", () => {
  for (const sql of statements)
    test(`takes ${JSON.stringify(sql.slice(0, 60))} as one statement`, () => {
      assert.deepEqual(lex(`${sql};\nSELECT 2;`), [
        `statement 1: ${sql}`,
        `statement ${sql.split("\n").length + 1}: SELECT 2`,
      ]);
    });

  test("finds the same wherever the bytes are cut", () => {
    const extra = [
      "DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; END ;;\nDELIMITER ;\n",
      "delimiter $$\nCREATE TRIGGER x BEGIN a; END$$\nDELIMITER ;\n",
      "/*M!999999\\- enable the sandbox mode */ \n",
      "-- a comment\n",
      "system id\n",
      "\n",
    ];
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
          const whole = lexAll(new MysqlLexer(), bytes);
          assert.deepEqual(lexAll(new MysqlLexer(), bytes, inside), whole);
          const every = Array.from({ length: bytes.length }, (_, n) => n);
          assert.deepEqual(lexAll(new MysqlLexer(), bytes, every), whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("finds the same when the bytes are cut once, at every place", () => {
    const text = [...statements].join(";\n");
    const bytes = Buffer.from(`${text};`, "latin1");
    const whole = lexAll(new MysqlLexer(), bytes);
    for (let cut = 0; cut < bytes.length; cut++)
      assert.deepEqual(lexAll(new MysqlLexer(), bytes, [cut]), whole, `cut at ${cut}`);
  });

  test("never makes a statement of a text that was cut within it", () => {
    for (const sql of statements) {
      const bytes = Buffer.from(`SELECT 0;\n${sql};`, "latin1");
      for (let length = 11; length < bytes.length; length++) {
        const events = lexAll(new MysqlLexer(), bytes.subarray(0, length));
        assert.equal(events[0]?.kind, "statement");
        assert.equal(
          events.filter(({ kind }) => kind === "statement").length,
          1,
          bytes.toString("latin1", 0, length),
        );
      }
    }
  });

  test("splits at the delimiter that DELIMITER has set, whatever it is", () => {
    assert.deepEqual(
      lex("DELIMITER ;;\nBEGIN a; b; END ;;\nDELIMITER $$\nBEGIN c; END$$\nDELIMITER ;\nd;\n"),
      ["statement 2: BEGIN a; b; END ", "statement 4: BEGIN c; END", "statement 6: d"],
    );
    assert.match(lex("DELIMITER\nSELECT 1;\n")[0] ?? "", /^damaged 1: a DELIMITER line/);
  });

  test("reads quotes as the dump's own sql_mode has it", () => {
    assert.deepEqual(
      lex(
        "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES,ANSI_QUOTES' */;\n" +
          "INSERT INTO \"a\\\" VALUES ('b\\');\n" +
          "SET sql_mode = @OLD_SQL_MODE;\nINSERT INTO t VALUES ('c\\';d');",
      ).slice(1),
      [
        "statement 2: INSERT INTO \"a\\\" VALUES ('b\\')",
        "statement 3: SET sql_mode = @OLD_SQL_MODE",
        "statement 4: INSERT INTO t VALUES ('c\\';d')",
      ],
    );
  });

  test("passes over the sandbox line and refuses the clients' other commands", () => {
    assert.deepEqual(lex("/*M!999999\\- enable the sandbox mode */ \nSELECT 1;"), [
      "statement 2: SELECT 1",
    ]);
    assert.match(lex("/*M!999999\\! id */\nSELECT 1;")[0] ?? "", /^refusal 1/);
    for (const command of [
      "system id",
      "source /etc/passwd",
      "tee /tmp/x",
      "pager sh",
      "connect x",
    ])
      assert.deepEqual(lex(`SELECT 1;\n${command}\nSELECT 2;`), [
        "statement 1: SELECT 1",
        `refusal 2: the client command ${command}`,
        "statement 3: SELECT 2",
      ]);
    assert.equal(lex("SELECT 1;\n\\! id\n;")[1], "refusal 2: the client command \\!");
    assert.equal(lex("SELECT a\n\\. file\n;")[0], "refusal 2: the client command \\.");
    assert.equal(lex("/*!50000 SELECT \\! id */;")[0], "refusal 1: the client command \\!");
    assert.equal(lex("SELECT '\\! id', \\N;")[0], "statement 1: SELECT '\\! id', \\N");
  });

  test("counts the rows of an INSERT", () => {
    const sql = "INSERT INTO `t` (`a`) VALUES (1,(2)),('),('),(3);";
    const [event] = lexAll(new MysqlLexer(), Buffer.from(sql));
    assert.ok(event?.kind === "statement");
    assert.equal(event.values, 3);
  });
});
