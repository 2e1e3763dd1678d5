import { ask, type Catalog, must } from "./catalog.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quoteName } from "./quote.ts";
import type { TableEntry } from "./table-list.ts";

/** Sequences of MariaDB; the value is what the server would give out next after its cache. */
export async function describeSequences(catalog: Catalog, tables: TableEntry[]): Promise<Drafts> {
  const drafts = noDrafts();
  for (const { name } of tables.filter(({ type }) => type === "SEQUENCE")) {
    const quoted = quoteName(name);
    const act = `describe sequence ${name}`;
    const [made] = await ask(catalog, `SHOW CREATE SEQUENCE ${quoted}`, act);
    const columns = "next_not_cached_value AS next, cycle_count AS cycles";
    const [state] = await ask(catalog, `SELECT ${columns} FROM ${quoted}`, act);
    const object = { kind: "sequence", name };
    const create = must(made, "Create Table");
    drafts.objects.push({ ...object, section: "pre-data", statements: [create] });
    const value = `SETVAL(${quoted}, ${must(state, "next")}, 0, ${must(state, "cycles")})`;
    drafts.objects.push({
      kind: "sequence value",
      name,
      section: "post-data",
      statements: [`DO ${value}`],
    });
  }
  return drafts;
}
