import { DbctlError } from "../../../core/errors.ts";
import type { SchemaObject } from "../engine.ts";
import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { dropOwnQualifier } from "./own-qualifier.ts";
import { quoteName } from "./quote.ts";
import { errnoOf } from "./server-error.ts";
import { cutTokens } from "./sql-tokens.ts";
import { joinCreateTable, splitCreateTable, type TableDefinition } from "./split-create-table.ts";
import { isTable, isTransactional, type TableEntry } from "./table-list.ts";

/** Tables as SHOW CREATE TABLE prints them; keys and foreign keys apart where that is safe. */
export async function describeTables(catalog: Catalog, tables: TableEntry[]): Promise<Drafts> {
  const drafts = noDrafts();
  const sizes = await readIndexSizes(catalog);
  for (const table of tables.filter(isTable)) {
    const { name, engine } = table;
    const create = await readDefinition(catalog, name);
    if (typeof create !== "string") {
      drafts.unsupported.push({ kind: "table", name, remedy: create.remedy });
      continue;
    }
    drafts.objects.push(...tableObjects(table, { create, cost: sizes.get(name) ?? 0 }));
    if (engine !== null) drafts.requires.push({ kind: "engine", name: engine });
  }
  for (const name of await readCollations(catalog))
    drafts.requires.push({ kind: "collation", name });
  return drafts;
}

/** 1286: its engine is gone; 1932: its file is gone. Or its text is no text. */
async function readDefinition(
  catalog: Catalog,
  name: string,
): Promise<string | { remedy: string }> {
  try {
    const sql = `SHOW CREATE TABLE ${quoteName(name)}`;
    const [row] = await ask(catalog, sql, `describe table ${name}`);
    return dropOwnQualifier(must(row, "Create Table"), catalog.database);
  } catch (reason) {
    if (!(reason instanceof DbctlError)) throw reason;
    const isBroken = [1286, 1932].includes(errnoOf(reason) ?? 0);
    if (!isBroken && reason.code !== "object-unsupported") throw reason;
    return { remedy: `${reason.message}. ${reason.remedy}` };
  }
}

interface Printed {
  create: string;
  cost: number;
}

/**
 * The table, then its keys in one ALTER TABLE (full-text keys one by one), then its foreign keys.
 * InnoDB only: elsewhere a key costs the same, whenever it is made.
 */
function tableObjects(table: TableEntry, { create, cost }: Printed): SchemaObject[] {
  const object = { kind: "table", name: table.name, section: "pre-data" } as const;
  const definition = splitCreateTable(create);
  if (definition === undefined || !isTransactional(table))
    return [{ ...object, statements: [create] }];
  const { items } = definition;
  const keysApart = mayBuildKeysLater(table, definition);
  const late = items.filter(({ kind }) => keysApart && (kind === "key" || kind === "fulltext"));
  const foreignApart = mayAddForeignKeysLater(definition);
  const foreign = items.filter(({ kind }) => kind === "foreign-key" && foreignApart);
  const early = items.filter((item) => !late.includes(item) && !foreign.includes(item));
  const alter = `ALTER TABLE ${quoteName(table.name)}`;
  const keys = late.filter(({ kind }) => kind === "key").map(({ sql }) => `ADD ${sql}`);
  const texts = late
    .filter(({ kind }) => kind === "fulltext")
    .map(({ sql }) => `${alter} ADD ${sql}`);
  const builds = keys.length === 0 ? texts : [`${alter} ${keys.join(", ")}`, ...texts];
  const made: SchemaObject[] = [{ ...object, statements: [joinCreateTable(definition, early)] }];
  if (builds.length > 0)
    made.push({ kind: "keys", name: table.name, section: "index", statements: builds, cost });
  for (const { name, sql } of foreign) {
    const key = { kind: "foreign key", name: `${table.name}.${name}` } as const;
    made.push({ ...key, section: "foreign-key", statements: [`${alter} ADD ${sql}`] });
  }
  return made;
}

/**
 * Not when a key decides how rows are stored (no primary key), is needed from the start (the key
 * of AUTO_INCREMENT), or when ALTER TABLE would write history (system versioning).
 */
function mayBuildKeysLater(table: TableEntry, definition: TableDefinition): boolean {
  const { items, tail } = definition;
  const primary = items.find(({ kind }) => kind === "primary");
  if (primary === undefined || table.type === "SYSTEM VERSIONED") return false;
  if (/\bPARTITION BY\b/.test(tail)) return false;
  if (items.some(({ kind }) => kind === "other")) return false;
  // A foreign key that stays would make the key it needs by itself.
  if (items.some(({ kind }) => kind === "foreign-key") && !mayAddForeignKeysLater(definition))
    return false;
  const counter = items.find(
    ({ kind, sql }) => kind === "column" && hasWord(sql, "AUTO_INCREMENT"),
  );
  const column = /^`(?:[^`]|``)*`/.exec(counter?.sql ?? "")?.[0];
  return column === undefined || primary.sql.includes(`(${column}`);
}

/** On base columns of stored ones the server takes some in CREATE TABLE only (error 138). */
function mayAddForeignKeysLater({ items }: TableDefinition): boolean {
  return !items.some(({ kind, sql }) => kind === "column" && hasWord(sql, "STORED"));
}

/** Whether the word itself is there, not only in a name, comment or default. */
function hasWord(sql: string, word: string): boolean {
  return cutTokens(sql).some(({ kind, raw }) => kind === "word" && raw === word);
}

async function readIndexSizes(catalog: Catalog): Promise<Map<string, number>> {
  const rows = await ask(
    catalog,
    `SELECT TABLE_NAME AS name, INDEX_LENGTH AS bytes FROM information_schema.TABLES
     WHERE ${inSchema(catalog, "TABLE_SCHEMA")} AND TABLE_TYPE <> 'VIEW'`,
    "estimate the sizes of indexes",
  );
  return new Map(rows.map((row) => [must(row, "name"), Number(row["bytes"] ?? 0)]));
}

async function readCollations(catalog: Catalog): Promise<string[]> {
  const rows = await ask(
    catalog,
    `SELECT DISTINCT COLLATION_NAME AS name FROM information_schema.COLUMNS
     WHERE ${inSchema(catalog, "TABLE_SCHEMA")} AND COLLATION_NAME IS NOT NULL`,
    "list the collations",
  );
  return rows.map((row) => must(row, "name"));
}
