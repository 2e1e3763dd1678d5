import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { noteNeeds, readContext, withContext } from "./code-object.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quoteName } from "./quote.ts";

/** SHOW CREATE's column for each type of routine; packages come before their bodies. */
const printedAs: Record<string, string> = {
  PROCEDURE: "Create Procedure",
  FUNCTION: "Create Function",
  PACKAGE: "Create Package",
  "PACKAGE BODY": "Create Package Body",
};

/** Procedures, functions and packages, each under the settings it was created with. */
export async function describeRoutines(catalog: Catalog, current: string): Promise<Drafts> {
  const rows = await ask(
    catalog,
    `SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS type, DEFINER AS definer
     FROM information_schema.ROUTINES WHERE ${inSchema(catalog, "ROUTINE_SCHEMA")}
     ORDER BY ROUTINE_TYPE, ROUTINE_NAME`,
    "list the routines",
  );
  const drafts = noDrafts();
  for (const row of rows) {
    const [name, type] = [must(row, "name"), must(row, "type")];
    const column = printedAs[type];
    const kind = type.toLowerCase();
    const [made] =
      column === undefined
        ? []
        : await ask(catalog, `SHOW CREATE ${type} ${quoteName(name)}`, `describe ${kind} ${name}`);
    const create = column === undefined ? undefined : made?.[column];
    if (typeof create !== "string") {
      drafts.unsupported.push({ kind, name, remedy: remedyFor(column) });
      continue;
    }
    const context = readContext(made);
    const statements = withContext(create, context, current);
    drafts.objects.push({ kind, name, section: "post-data", statements });
    const { sqlMode } = context;
    noteNeeds(drafts, catalog, { definer: must(row, "definer"), text: create, sqlMode });
  }
  return drafts;
}

function remedyFor(column: string | undefined): string {
  return column === undefined
    ? "Keep its definition and create it by hand after a restore"
    : "The account may not see its body: GRANT SELECT ON mysql.proc (MySQL: SHOW_ROUTINE ON *.*)";
}
