import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { noteNeeds, withContext } from "./code-object.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quoteAccount, quoteName } from "./quote.ts";

/**
 * Triggers, in the order in which equals fire. What SHOW CREATE TRIGGER prints begins as a person
 * once typed it, perhaps with the database's name; so the beginning is made anew.
 */
export async function describeTriggers(catalog: Catalog, current: string): Promise<Drafts> {
  const rows = await ask(
    catalog,
    `SELECT TRIGGER_NAME AS name, EVENT_MANIPULATION AS event, EVENT_OBJECT_TABLE AS target,
       ACTION_TIMING AS timing, ACTION_STATEMENT AS body, DEFINER AS definer,
       SQL_MODE AS sqlMode, CHARACTER_SET_CLIENT AS charset, COLLATION_CONNECTION AS collation,
       DATABASE_COLLATION AS databaseCollation
     FROM information_schema.TRIGGERS WHERE ${inSchema(catalog, "TRIGGER_SCHEMA")}
     ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER`,
    "list the triggers",
  );
  const drafts = noDrafts();
  const counts = Map.groupBy(rows, (row) => must(row, "name"));
  for (const row of rows) {
    const [name, definer, body] = [must(row, "name"), must(row, "definer"), must(row, "body")];
    if ((counts.get(name)?.length ?? 0) > 1) {
      const remedy = "Make one trigger for each of its events";
      drafts.unsupported.push({ kind: "trigger", name, remedy });
      continue;
    }
    const sqlMode = must(row, "sqlMode");
    const create =
      `CREATE DEFINER=${quoteAccount(definer)} TRIGGER ${quoteName(name)} ${must(row, "timing")} ` +
      `${must(row, "event")} ON ${quoteName(must(row, "target"))} FOR EACH ROW ${body}`;
    const context = {
      sqlMode,
      charset: must(row, "charset"),
      collation: must(row, "collation"),
      databaseCollation: must(row, "databaseCollation"),
      timeZone: null,
    };
    const statements = withContext(create, context, current);
    drafts.objects.push({ kind: "trigger", name, section: "post-data", statements });
    noteNeeds(drafts, catalog, { definer, text: body, sqlMode });
  }
  return drafts;
}
