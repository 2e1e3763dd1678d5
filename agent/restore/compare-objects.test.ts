import assert from "node:assert/strict";
import { test } from "node:test";
import type { SchemaObject } from "../engines/engine.ts";
import { compareObjects, type Described } from "./compare-objects.ts";

const table: SchemaObject = object("table", "t", ["create table t (n int)"]);
const grant: SchemaObject = object("grant", "t", ["grant select on t to reader"]);

function object(kind: string, name: string, statements: string[]): SchemaObject {
  return { kind, name, section: "pre-data", statements };
}

function describe(
  objects: SchemaObject[],
  { version = "15.8", flavour = "postgres", database = "shop" } = {},
): Described {
  const facts = { flavour, version, instance: "1", host: "here", database, settings: {} };
  return { facts, list: { objects, unsupported: [], requires: [] } };
}

test("compareObjects() takes the same objects in any order, in a database of another name", () => {
  const itself = (name: string) => object("database", name, ["alter database"]);
  const source = describe([itself("shop"), table, grant]);
  compareObjects(source, describe([grant, table, itself("copy")], { database: "copy" }));
});

test("compareObjects() names what is missing, changed, or more than in the backup", () => {
  const source = describe([table, grant]);
  const changed = object("table", "t", ["create table t (n bigint)"]);
  const copy = describe([changed, object("trigger", "x", [])], { version: "15.2" });
  assert.throws(() => compareObjects(source, copy), {
    code: "digest-mismatch",
    message:
      'Cannot prove the objects of database "shop": table t (pre-data) is not the same; ' +
      "grant t (pre-data) is missing; trigger x (pre-data) is not in the backup",
  });
});

test("compareObjects() compares statements on servers of one release only", () => {
  const [before, after] = [describe([table]), object("table", "t", ["other words"])];
  const differs = { code: "digest-mismatch" };
  compareObjects(before, describe([after], { version: "17.2" }));
  assert.throws(() => compareObjects(before, describe([after], { version: "15.9" })), differs);
  const mariadb = (version: string, one: SchemaObject) =>
    describe([one], { version, flavour: "mariadb" });
  const old = mariadb("10.11.6-MariaDB", table);
  compareObjects(old, mariadb("10.6.4-MariaDB", after));
  assert.throws(() => compareObjects(old, mariadb("10.11.9-MariaDB-log", after)), differs);
});

test("compareObjects() lets go of what a server ends by itself, and of nothing else", () => {
  const once: SchemaObject = { ...object("event", "once", ["create event"]), mayEnd: true };
  compareObjects(describe([once]), describe([]));
  const changed = describe([{ ...once, statements: ["create another"] }]);
  assert.throws(
    () => compareObjects(describe([once]), changed),
    /once \(pre-data\) is not the same/,
  );
});
