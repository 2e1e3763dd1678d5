import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { noteNeeds, readContext, withContext } from "./code-object.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quoteName } from "./quote.ts";
import { cutTokens, nameOf } from "./sql-tokens.ts";

/**
 * Triggers, in the order in which equals fire. Their text comes from SHOW CREATE TRIGGER: in
 * information_schema, escapes in its literals are already taken away.
 */
export async function describeTriggers(catalog: Catalog, current: string): Promise<Drafts> {
  const rows = await ask(
    catalog,
    `SELECT TRIGGER_NAME AS name, DEFINER AS definer
     FROM information_schema.TRIGGERS WHERE ${inSchema(catalog, "TRIGGER_SCHEMA")}
     ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER`,
    "list the triggers",
  );
  const drafts = noDrafts();
  const counts = Map.groupBy(rows, (row) => must(row, "name"));
  for (const row of rows) {
    const name = must(row, "name");
    const sql = `SHOW CREATE TRIGGER ${quoteName(name)}`;
    const [made] = await ask(catalog, sql, `describe trigger ${name}`);
    const context = { ...readContext(made), timeZone: null };
    const sqlMode = context.sqlMode ?? "";
    const create = dropHeadQualifiers(must(made, "SQL Original Statement"), sqlMode);
    if (create === undefined || (counts.get(name)?.length ?? 0) > 1) {
      const remedy = "Its definition is not understood: create it by hand after a restore";
      drafts.unsupported.push({ kind: "trigger", name, remedy });
      continue;
    }
    const statements = withContext(create, context, current);
    drafts.objects.push({ kind: "trigger", name, section: "post-data", statements });
    noteNeeds(drafts, catalog, { definer: must(row, "definer"), text: create, sqlMode });
  }
  return drafts;
}

/**
 * Takes the database's name off the names between TRIGGER and FOR EACH ROW, as a person once typed
 * them: `` TRIGGER shop.t BEFORE INSERT ON shop . `x` FOR EACH ROW …``. The body stays as it is.
 */
export function dropHeadQualifiers(create: string, sqlMode: string): string | undefined {
  const tokens = cutTokens(create, sqlMode);
  const words = tokens.map(({ kind, raw }) => (kind === "word" ? raw.toUpperCase() : ""));
  const isGap = (n: number) => tokens[n]?.kind === "space" || tokens[n]?.kind === "comment";
  const after = (n: number): number => (isGap(n + 1) ? after(n + 1) : n + 1);
  const isEnd = (n: number) => words[after(n)] === "EACH" && words[after(after(n))] === "ROW";
  const start = words.indexOf("TRIGGER");
  const end = words.findIndex((word, n) => word === "FOR" && isEnd(n));
  if (start === -1 || end < start) return undefined;
  const pieces = tokens.slice(0, start).map(({ raw }) => raw);
  for (let n = start; n < end; n++) {
    const token = tokens[n];
    if (token === undefined) return undefined;
    const dot = after(n);
    if (nameOf(token) !== undefined && tokens[dot]?.raw === ".") n = after(dot) - 1;
    else pieces.push(token.kind === "word" ? token.raw.replace(/^.*\./, "") : token.raw);
  }
  return [...pieces, ...tokens.slice(end).map(({ raw }) => raw)].join("");
}
