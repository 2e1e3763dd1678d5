import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { disableEvent } from "./objects-events.ts";
import { dropHeadQualifiers } from "./objects-triggers.ts";
import { orderViews } from "./order-views.ts";
import { dropOwnQualifier, dropOwnQualifierOfView, mentionsDatabase } from "./own-qualifier.ts";
import { quoteName, quotePlain } from "./quote.ts";
import { joinCreateTable, splitCreateTable } from "./split-create-table.ts";
import { cutTokens } from "./sql-tokens.ts";

test("cutTokens() loses nothing, whatever the text", () => {
  const piece = fc.constantFrom(
    "'",
    '"',
    "`",
    "\\",
    "/*",
    "*/",
    "/*!50100",
    "--",
    " ",
    "\n",
    "é",
    "a",
    ".",
    "😊",
    "(",
  );
  const text = fc.array(fc.oneof(piece, fc.string())).map((pieces) => pieces.join(""));
  const modes = fc.constantFrom("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES");
  const property = fc.property(text, modes, (sql, mode) => {
    assert.equal(
      cutTokens(sql, mode)
        .map(({ raw }) => raw)
        .join(""),
      sql,
    );
  });
  fc.assert(property);
});

test("splitCreateTable() finds the items, whatever the names and comments hold", () => {
  const name = fc.string({ minLength: 1 });
  const property = fc.property(
    fc.uniqueArray(name, { minLength: 2, maxLength: 5 }),
    name,
    (names, comment) => {
      const [first = "", second = ""] = names;
      const items = [
        ...names.map(
          (one) =>
            `${quoteName(one)} varchar(10) DEFAULT ${quotePlain(comment)} COMMENT ${quotePlain(one)}`,
        ),
        `PRIMARY KEY (${quoteName(first)})`,
        `UNIQUE KEY ${quoteName(second)} (${quoteName(first)},${quoteName(second)}) COMMENT ${quotePlain(comment)}`,
        `CONSTRAINT ${quoteName(comment)} FOREIGN KEY (${quoteName(first)}) REFERENCES \`o\`.\`t\` (\`a\`)`,
        `CONSTRAINT ${quoteName(first)} CHECK (${quoteName(second)} <> ${quotePlain(comment)})`,
      ];
      const tail = `) ENGINE=InnoDB COMMENT=${quotePlain(comment)}`;
      const sql = `CREATE TABLE ${quoteName(comment)} (\n  ${items.join(",\n  ")}\n${tail}`;
      const split = splitCreateTable(sql);
      assert.ok(split !== undefined);
      assert.deepEqual(
        split.items.map((item) => item.sql),
        items,
      );
      const kinds = [...names.map(() => "column"), "primary", "key", "foreign-key", "check"];
      assert.deepEqual(
        split.items.map(({ kind }) => kind),
        kinds,
      );
      assert.deepEqual(
        split.items.slice(-4).map((item) => item.name),
        ["PRIMARY", second, comment, first],
      );
      assert.equal(joinCreateTable(split, split.items), sql);
    },
  );
  fc.assert(property);
});

test("dropOwnQualifier() takes the database off names, and leaves texts alone", () => {
  const sql = "CREATE TABLE `shop` (`shop` int DEFAULT nextval(`shop`.`s`) COMMENT '`shop`.`x`')";
  const expected = "CREATE TABLE `shop` (`shop` int DEFAULT nextval(`s`) COMMENT '`shop`.`x`')";
  assert.equal(dropOwnQualifier(sql, "shop"), expected);
});

test("dropOwnQualifierOfView() tells the database from its namesakes, or gives up", () => {
  const head = "CREATE DEFINER=`shop`@`localhost` VIEW `shop` AS ";
  const drop = (body: string) => dropOwnQualifierOfView(head + body, "shop");
  const across = "select `shop`.`t`.`a` AS `a`,`shop`.`f`(1) from (`shop`.`t` join `other`.`o`)";
  assert.equal(
    drop(across),
    `${head}select \`t\`.\`a\` AS \`a\`,\`f\`(1) from (\`t\` join \`other\`.\`o\`)`,
  );
  const namesake = "select `shop`.`id` AS `id` from `shop`";
  assert.equal(drop(namesake), head + namesake);
  assert.equal(drop("select `shop`.`shop`.`id` from (`shop`.`shop` join `other`.`o`)"), undefined);
  assert.equal(drop("select nextval(`shop`.`s`),`shop`.`id` from `shop`"), undefined);
});

test("mentionsDatabase() reads a body as its sql_mode does", () => {
  assert.ok(mentionsDatabase("select * from Shop . t", "shop", ""));
  assert.ok(mentionsDatabase("select * from shop.t", "shop", ""));
  assert.ok(mentionsDatabase('select * from "shop".t', "shop", "ANSI_QUOTES"));
  assert.ok(!mentionsDatabase('select "shop".t', "shop", ""));
  assert.ok(!mentionsDatabase("select 'shop.t', shop -- shop.t\n", "shop", ""));
});

test("dropHeadQualifiers() takes the database off the head of a trigger only", () => {
  const trigger = (name: string, table: string) =>
    `CREATE DEFINER=\`a\`@\`b.c\` trigger ${name} before insert\n on ${table} FOR /* x */ each row set @a = shop.f('shop.x'); /* for each row */`;
  for (const [name, table] of [
    ["shop.tr", "`shop`.t"],
    ["`shop` . tr", "shop /* c */ . t"],
    ["tr", "t"],
  ] as const)
    assert.equal(dropHeadQualifiers(trigger(name, table), ""), trigger("tr", "t"));
  const ansi = 'CREATE TRIGGER "shop"."tr" AFTER UPDATE ON "t" FOR EACH ROW SET @a = 1';
  assert.equal(dropHeadQualifiers(ansi, "ANSI_QUOTES"), ansi.replace('"shop".', ""));
  assert.equal(dropHeadQualifiers("CREATE VIEW v AS SELECT 1", ""), undefined);
});

test("disableEvent() replaces the status, and nothing in comments and bodies", () => {
  const event = (status: string) =>
    `CREATE EVENT \`PRESERVE\` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ${status} COMMENT 'ENABLE' DO ENABLE`;
  for (const status of ["ENABLE", "DISABLE", "DISABLE ON SLAVE"])
    assert.equal(disableEvent(event(status)), event("DISABLE"));
  const kept =
    "CREATE EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION PRESERVE ENABLE DO SELECT 1";
  assert.equal(disableEvent(kept), kept.replace("ENABLE", "DISABLE"));
  assert.equal(disableEvent("CREATE EVENT e DO SELECT 1"), undefined);
});

test("orderViews() puts views behind those they mention, and cuts circles by stubs", () => {
  const view = (name: string, create: string) => ({
    object: { kind: "view", name, section: "post-data" as const, statements: [create] },
    create,
    columns: ["a"],
  });
  const ordered = orderViews([
    view("a", "select `b`.`x` from `b`"),
    view("b", "select 1"),
    view("c", "select `x`.`d` from `x`"),
    view("d", "select `x`.`c` from `x`"),
  ]);
  const names = ordered.map(({ kind, name }) => `${kind} ${name}`);
  assert.deepEqual(names, ["view b", "view a", "view stub c", "view stub d", "view c", "view d"]);
});
