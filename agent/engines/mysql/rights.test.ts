import assert from "node:assert/strict";
import { test } from "node:test";
import { readRights } from "./rights.ts";

const to = "TO `me`@`localhost` IDENTIFIED BY PASSWORD '*0'";
const rights = (database: string, ...lines: string[]) => [...readRights(lines, database)];

test("readRights() counts what holds for the whole database", () => {
  assert.deepEqual(rights("shop", `GRANT SELECT, SHOW VIEW ON *.* ${to}`), ["SELECT", "SHOW VIEW"]);
  assert.deepEqual(rights("shop", `GRANT ALL PRIVILEGES ON \`shop\`.* ${to}`), ["ALL PRIVILEGES"]);
  const narrow = [
    `GRANT SELECT ON \`shop\`.\`t\` ${to}`,
    `GRANT SELECT (\`a\`) ON \`shop\`.\`t\` ${to}`,
  ];
  assert.deepEqual(rights("shop", ...narrow), []);
  assert.deepEqual(rights("shop", `GRANT EXECUTE ON PROCEDURE \`shop\`.\`p\` ${to}`), []);
  assert.deepEqual(rights("shop", "GRANT `role` TO `me`@`localhost`"), []);
});

test("readRights() reads the wildcards of database names", () => {
  const of = (pattern: string) => `GRANT SELECT ON \`${pattern}\`.* ${to}`;
  assert.deepEqual(rights("my_shop", of("my_shop")), ["SELECT"]);
  assert.deepEqual(rights("my_shop", of("my\\_shop")), ["SELECT"]);
  assert.deepEqual(rights("myXshop", of("my_shop")), ["SELECT"]);
  assert.deepEqual(rights("myXshop", of("my\\_shop")), []);
  assert.deepEqual(rights("my.shop", of("my%")), ["SELECT"]);
  assert.deepEqual(rights("a`b", of("a``b")), ["SELECT"]);
  assert.deepEqual(rights("other", of("my%")), []);
});
