import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MysqlEffects } from "./mysql-effects.ts";
import { PostgresEffects } from "./postgres-effects.ts";
import type { Effect } from "./statement.ts";

function kindsOf(
  effects: { effectOf(sql: Buffer, values: number): Effect },
  script: [sql: string, expected: string][],
): void {
  for (const [sql, expected] of script) {
    const values = /\bVALUES\b/.test(sql) ? 1 : 0;
    const effect = effects.effectOf(Buffer.from(sql), values);
    const table = "table" in effect ? ` ${effect.table}` : "";
    assert.equal(`${effect.kind}${table}`, expected, sql);
  }
}

describe("PostgresEffects", () => {
  test("lets rows and builds run beside others, and nothing else", () => {
    const effects = new PostgresEffects();
    kindsOf(effects, [
      ["SET search_path = shop", "session"],
      ["SELECT pg_catalog.set_config('search_path', '', false)", "session"],
      ["SELECT pg_catalog.setval('s', 1, true)", "any"],
      ["CREATE TABLE public.t (a int)", "any"],
      ['INSERT INTO public."T; x" (a) VALUES (1)', 'rows public."T; x"'],
      ["CREATE INDEX i ON public.t USING btree (a)", "table public.t"],
      ["CREATE INDEX CONCURRENTLY i ON public.t (a)", "any"],
      ["ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k PRIMARY KEY (a)", "table public.t"],
      ["COMMENT ON EXTENSION plpgsql IS 'x'", "left-out"],
    ]);
    assert.ok(effects.isPlainCopy(Buffer.from("COPY public.t (a) FROM stdin")));
    assert.ok(!effects.isPlainCopy(Buffer.from("COPY public.t FROM stdin WITH (FORMAT csv)")));
  });

  test("keeps rows in order once rows may depend on rows", () => {
    for (const sql of [
      "CREATE TABLE u (a int REFERENCES t)",
      "ALTER TABLE ONLY u ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES t(a)",
      "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
      "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
    ]) {
      const effects = new PostgresEffects();
      kindsOf(effects, [
        ["INSERT INTO t VALUES (1)", "rows t"],
        [sql, "any"],
        ["INSERT INTO t VALUES (1)", "any"],
      ]);
      assert.ok(!effects.isPlainCopy(Buffer.from("COPY t (a) FROM stdin")), sql);
    }
  });

  test("keeps to one session inside of transactions and with what one session has", () => {
    kindsOf(new PostgresEffects(), [
      ["BEGIN", "any"],
      ["INSERT INTO t VALUES (1)", "any"],
      ["COMMIT", "any"],
      ["INSERT INTO t VALUES (1)", "rows t"],
      ["CREATE TEMP TABLE x (a int)", "any"],
      ["INSERT INTO t VALUES (1)", "any"],
    ]);
    kindsOf(new PostgresEffects(), [
      ["BEGIN", "any"],
      ["SET search_path = a", "any"],
      ["COMMIT", "any"],
      ["INSERT INTO t VALUES (1)", "any"],
    ]);
  });
});

describe("MysqlEffects", () => {
  const unchecked: [string, string] = [
    "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */",
    "session",
  ];

  test("lets INSERTs run beside others while the dump has foreign keys unchecked", () => {
    kindsOf(new MysqlEffects(), [
      ["INSERT INTO `t` VALUES (1)", "any"],
      unchecked,
      ["INSERT INTO `t``x` VALUES (1)", "rows `t``x`"],
      ["REPLACE INTO `t` VALUES (1)", "any"],
      ["INSERT IGNORE INTO `t` VALUES (1)", "any"],
      ["INSERT INTO `t` VALUES (1) ON DUPLICATE KEY UPDATE a = 2", "any"],
      ["/*!50003 CREATE*/ /*!50003 TRIGGER x AFTER INSERT ON `t` FOR EACH ROW SET @a=1 */", "any"],
      ["INSERT INTO `t` VALUES (1)", "any"],
      ["INSERT INTO `u` VALUES (1)", "rows `u`"],
      ["/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */", "session"],
      ["INSERT INTO `u` VALUES (1)", "any"],
    ]);
  });

  test("leaves out locks, commits and what is of the source's log", () => {
    kindsOf(new MysqlEffects(), [
      ["LOCK TABLES `t` WRITE", "left-out"],
      ["UNLOCK TABLES", "left-out"],
      ["set autocommit=0", "left-out"],
      ["commit", "left-out"],
      ["SET @@SESSION.SQL_LOG_BIN= 0", "left-out"],
      ["SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN", "left-out"],
      ["SET GLOBAL gtid_slave_pos='0-1-2'", "left-out"],
      ["CHANGE MASTER TO MASTER_LOG_FILE='x', MASTER_LOG_POS=4", "left-out"],
      ["SET GLOBAL max_connections = 5", "any"],
      ["START TRANSACTION", "any"],
      ["COMMIT", "any"],
    ]);
  });
});
