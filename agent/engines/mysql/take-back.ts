import { DbctlError } from "../../../core/errors.ts";
import type { SchemaObject } from "../engine.ts";
import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { quoteName, quotePlain } from "./quote.ts";
import { cutTokens, nameOf, significant } from "./sql-tokens.ts";

/**
 * Takes back what a build that was cut short may have done, so that it can begin again. What only
 * sets something, or asks, is left: doing it again comes to the same. A table that has rows is not
 * one that was just created: somebody else's, and never dropped.
 */
export async function takeBack(catalog: Catalog, object: SchemaObject): Promise<void> {
  for (const sql of await undoingStatements(catalog, object)) {
    const { session, signal } = catalog;
    await session.execute(sql, { signal, act: `take back ${object.kind} ${object.name}` });
  }
}

/** How a kind of object is dropped, where its name alone says which. */
const dropped: Record<string, string> = {
  sequence: "SEQUENCE",
  procedure: "PROCEDURE",
  function: "FUNCTION",
  package: "PACKAGE",
  "package body": "PACKAGE BODY",
  view: "VIEW",
  "view stub": "VIEW",
  trigger: "TRIGGER",
  event: "EVENT",
};

/** Packages are known to the server's parser in this mode only. */
const oracle = "SET SESSION sql_mode = 'ORACLE'";
const noMode = "SET SESSION sql_mode = ''";

/** Kinds whose statements can be run again. */
const repeatable = new Set(["database", "sequence value", "event status", "foreign key proof"]);

async function undoingStatements(catalog: Catalog, object: SchemaObject): Promise<string[]> {
  const { kind, name } = object;
  // A view that takes its stub's place begins with dropping the stub, which must be there.
  const stub = `DROP VIEW ${quoteName(name)}`;
  if (kind === "view" && object.statements[0] === stub)
    return [`CREATE OR REPLACE VIEW ${quoteName(name)} AS SELECT 1`];
  const noun = dropped[kind];
  if (noun !== undefined) {
    const drop = `DROP ${noun} IF EXISTS ${quoteName(name)}`;
    return kind.startsWith("package") ? [oracle, drop, noMode] : [drop];
  }
  if (repeatable.has(kind)) return [];
  if (kind === "table") return await dropTable(catalog, name);
  if (kind === "keys") return await dropKeys(catalog, object);
  if (kind === "foreign key") return await dropForeignKey(catalog, object);
  throw new DbctlError("target-changed", `Cannot resume: ${kind} ${name} may be half done`, {
    remedy: "Drop the database, then restore the backup into a new one",
  });
}

async function dropTable(catalog: Catalog, name: string): Promise<string[]> {
  const sql = `SELECT 1 FROM information_schema.TABLES WHERE ${inSchema(catalog, "TABLE_SCHEMA")}
    AND CAST(TABLE_NAME AS BINARY) = CAST(${quotePlain(name)} AS BINARY)`;
  const act = `look for table ${name}`;
  if ((await ask(catalog, sql, act)).length === 0) return [];
  const rows = await ask(catalog, `SELECT 1 FROM ${quoteName(name)} LIMIT 1`, act);
  if (rows.length === 0) return [`DROP TABLE ${quoteName(name)}`];
  throw new DbctlError("target-changed", `Cannot resume: table ${name} is not the restore's`, {
    remedy: "Somebody else has made it: move it away, then resume",
  });
}

/** The keys that the statements add, as far as they are there. */
async function dropKeys(catalog: Catalog, { name, statements }: SchemaObject): Promise<string[]> {
  const added = new Set(statements.flatMap((sql) => namesAfter(sql, ["KEY", "INDEX"])));
  const rows = await ask(
    catalog,
    `SELECT DISTINCT INDEX_NAME AS name FROM information_schema.STATISTICS
     WHERE ${inSchema(catalog, "TABLE_SCHEMA")}
     AND CAST(TABLE_NAME AS BINARY) = CAST(${quotePlain(name)} AS BINARY)`,
    `look for the keys of table ${name}`,
  );
  const there = rows.map((row) => must(row, "name")).filter((key) => added.has(key));
  if (there.length === 0) return [];
  const drops = there.map((key) => `DROP KEY ${quoteName(key)}`);
  return [`ALTER TABLE ${quoteName(name)} ${drops.join(", ")}`];
}

async function dropForeignKey(catalog: Catalog, object: SchemaObject): Promise<string[]> {
  const [sql = ""] = object.statements;
  const [[table = ""], [key = ""]] = [namesAfter(sql, ["TABLE"]), namesAfter(sql, ["CONSTRAINT"])];
  const rows = await ask(
    catalog,
    `SELECT 1 FROM information_schema.TABLE_CONSTRAINTS
     WHERE ${inSchema(catalog, "TABLE_SCHEMA")} AND CONSTRAINT_TYPE = 'FOREIGN KEY'
     AND CAST(TABLE_NAME AS BINARY) = CAST(${quotePlain(table)} AS BINARY)
     AND CAST(CONSTRAINT_NAME AS BINARY) = CAST(${quotePlain(key)} AS BINARY)`,
    `look for foreign key ${object.name}`,
  );
  if (rows.length === 0) return [];
  return [`ALTER TABLE ${quoteName(table)} DROP FOREIGN KEY ${quoteName(key)}`];
}

/** The quoted names that follow one of the words. */
export function namesAfter(sql: string, words: readonly string[]): string[] {
  const tokens = significant(cutTokens(sql));
  return tokens.flatMap((token, n) => {
    const before = tokens[n - 1];
    const follows = before?.kind === "word" && words.includes(before.raw.toUpperCase());
    return follows && token.kind === "name" ? [nameOf(token) ?? ""] : [];
  });
}
