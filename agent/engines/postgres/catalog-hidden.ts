import { journalName } from "../restore-journal.ts";
import type { Catalog, CatalogRow, Dependency } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";

type Facts = Pick<Catalog, "session" | "all" | "dependencies">;

/**
 * What is not recreated by a statement of its own: temporary and TOAST objects and the journal of
 * a restore, with all that needs them; members of extensions, and what exists only as a part of those.
 */
export async function findHidden(facts: Facts): Promise<Set<string>> {
  const passing = await findPassing(facts);
  const hidden = new Set(passing);
  for (const { from, type } of facts.dependencies) if (type === "e") hidden.add(from);
  const needs = Map.groupBy(facts.dependencies, ({ from }) => from);
  const parts = Map.groupBy(
    facts.dependencies.filter(({ from, type }) => isPart(type, facts.all.get(from))),
    ({ to }) => to,
  );
  // A user's index, trigger, … on an extension's table gives itself away by needing what is not
  // the extension's; the others cannot be told from what CREATE EXTENSION makes.
  const isForeign = ({ from, type }: Dependency) =>
    type === "a" &&
    needs.get(from)?.some(({ to }) => facts.all.has(to) && !hidden.has(to)) === true;
  // A set grows while it is walked: this ends when nothing new was found.
  for (const key of hidden)
    for (const part of parts.get(key) ?? []) if (!isForeign(part)) hidden.add(part.from);
  return hidden;
}

/** What goes when its session, or a restore, ends: temporary objects and the journal; TOAST tables. */
async function findPassing({ session, dependencies }: Facts): Promise<Set<string>> {
  const seeds = await readRows<{ key: string }>(
    session,
    `WITH t AS (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_(toast|(toast_)?temp_[0-9]+)|${journalName})$')
      SELECT 'pg_namespace:' || oid AS key FROM t
      UNION ALL SELECT 'pg_class:' || oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM t)
      UNION ALL SELECT 'pg_type:' || oid FROM pg_type WHERE typnamespace IN (SELECT oid FROM t)
      UNION ALL SELECT 'pg_proc:' || oid FROM pg_proc WHERE pronamespace IN (SELECT oid FROM t)`,
  );
  const found = new Set(seeds.map(({ key }) => key));
  const dependents = Map.groupBy(dependencies, ({ to }) => to);
  for (const key of found) for (const { from } of dependents.get(key) ?? []) found.add(from);
  return found;
}

/** Types of objects that a statement for another object may make. */
const partTypes = [
  "default value",
  "domain constraint",
  "function of access method",
  "index",
  "operator of access method",
  "rule",
  "sequence",
  "statistics object",
  "table constraint",
  "trigger",
];

function isPart(deptype: string, row: CatalogRow | undefined): boolean {
  if (deptype === "i" || deptype === "I") return true;
  return deptype === "a" && row !== undefined && partTypes.includes(row.type);
}
