import type { SchemaObject } from "../engine.ts";
import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { readContext, withContext } from "./code-object.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { orderViews, type View } from "./order-views.ts";
import { dropOwnQualifierOfView } from "./own-qualifier.ts";
import { quoteName } from "./quote.ts";
import { errnoOf } from "./server-error.ts";
import type { TableEntry } from "./table-list.ts";

/** Views, each after those it selects from. */
export async function describeViews(catalog: Catalog, tables: TableEntry[]): Promise<Drafts> {
  const drafts = noDrafts();
  const definers = await readDefiners(catalog);
  const views: View[] = [];
  for (const { name } of tables.filter(({ type }) => type === "VIEW")) {
    const view = await readView(catalog, name);
    if ("remedy" in view) {
      drafts.unsupported.push({ kind: "view", name, remedy: view.remedy });
      continue;
    }
    views.push(view);
    const definer = definers.get(name);
    if (definer !== undefined) drafts.requires.push({ kind: "account", name: definer });
  }
  drafts.objects.push(...orderViews(views));
  return drafts;
}

async function readDefiners(catalog: Catalog): Promise<Map<string, string>> {
  const rows = await ask(
    catalog,
    `SELECT TABLE_NAME AS name, DEFINER AS definer FROM information_schema.VIEWS
     WHERE ${inSchema(catalog, "TABLE_SCHEMA")}`,
    "list the views",
  );
  return new Map(rows.map((row) => [must(row, "name"), must(row, "definer")]));
}

async function readView(catalog: Catalog, name: string): Promise<View | { remedy: string }> {
  const act = `describe view ${name}`;
  const columns = await readColumns(catalog, name);
  if (columns === undefined)
    return { remedy: "It refers to something that is gone: drop it, or create that again" };
  const [row] = await ask(catalog, `SHOW CREATE VIEW ${quoteName(name)}`, act);
  const create = dropOwnQualifierOfView(must(row, "Create View"), catalog.database);
  if (create === undefined)
    return { remedy: "It uses a table or alias with the database's own name: rename that" };
  // A view is printed in one form, whatever the sql_mode; its database's collation is of no matter.
  const context = { ...readContext(row), sqlMode: null, databaseCollation: null, timeZone: null };
  const object: SchemaObject = {
    kind: "view",
    name,
    section: "post-data",
    statements: withContext(create, context, ""),
  };
  return { object, create, columns };
}

/** 1356: the view refers to what is not there, or what its definer may not use. */
async function readColumns(catalog: Catalog, name: string): Promise<string[] | undefined> {
  try {
    const rows = await ask(
      catalog,
      `SHOW COLUMNS FROM ${quoteName(name)}`,
      `describe view ${name}`,
    );
    return rows.map((row) => must(row, "Field"));
  } catch (reason) {
    if (errnoOf(reason) === 1356) return undefined;
    throw reason;
  }
}
