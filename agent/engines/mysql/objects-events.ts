import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { noteNeeds, readContext, withContext } from "./code-object.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quoteAccount, quoteName } from "./quote.ts";
import { cutTokens } from "./sql-tokens.ts";

/** Events, created disabled; those that were enabled are switched on at the very end. */
export async function describeEvents(catalog: Catalog, current: string): Promise<Drafts> {
  const rows = await ask(
    catalog,
    `SELECT EVENT_NAME AS name, DEFINER AS definer, STATUS AS status,
       EVENT_TYPE = 'ONE TIME' OR ENDS IS NOT NULL AS mayEnd
     FROM information_schema.EVENTS WHERE ${inSchema(catalog, "EVENT_SCHEMA")}
     ORDER BY EVENT_NAME`,
    "list the events",
  );
  const [created, enabled] = [noDrafts(), noDrafts()];
  for (const row of rows) {
    const [name, definer] = [must(row, "name"), must(row, "definer")];
    const act = `describe event ${name}`;
    const [made] = await ask(catalog, `SHOW CREATE EVENT ${quoteName(name)}`, act);
    const context = readContext(made);
    const printed = must(made, "Create Event");
    const create = disableEvent(printed);
    if (create === undefined) {
      const remedy = "Its definition is not understood: create it by hand after a restore";
      created.unsupported.push({ kind: "event", name, remedy });
      continue;
    }
    const mayEnd = must(row, "mayEnd") === "1";
    const event = { name, section: "post-data", ...(mayEnd ? { mayEnd } : {}) } as const;
    const statements = withContext(create, context, current);
    created.objects.push({ ...event, kind: "event", statements });
    noteNeeds(created, catalog, { definer, text: printed, sqlMode: context.sqlMode });
    if (must(row, "status") === "DISABLED") continue;
    const wanted = must(row, "status") === "ENABLED" ? "ENABLE" : "DISABLE ON SLAVE";
    const alter = `ALTER DEFINER=${quoteAccount(definer)} EVENT ${quoteName(name)} ${wanted}`;
    enabled.objects.push({ ...event, kind: "event status", statements: [alter] });
  }
  return { ...created, objects: [...created.objects, ...enabled.objects] };
}

/**
 * Replaces the status in what the server prints: `… ON COMPLETION [NOT] PRESERVE ENABLE …`. It
 * stands in front of whatever a person wrote.
 */
export function disableEvent(create: string): string | undefined {
  const tokens = cutTokens(create);
  const words = tokens.map(({ kind, raw }) => (kind === "word" ? raw : ""));
  const status = words.indexOf("PRESERVE") + 2;
  if (words[status - 4] !== "COMPLETION" && words[status - 6] !== "COMPLETION") return undefined;
  const isLong = words[status + 2] === "ON";
  if (words[status] !== "ENABLE" && words[status] !== "DISABLE") return undefined;
  const rest = tokens.slice(status + (isLong ? 5 : 1));
  const pieces = [...tokens.slice(0, status).map(({ raw }) => raw), "DISABLE"];
  return [...pieces, ...rest.map(({ raw }) => raw)].join("");
}
