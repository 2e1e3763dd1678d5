import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quoteName } from "./quote.ts";
import type { Row } from "./session.ts";

/**
 * A proof for every foreign key: keys are added with checks off, so that a query has to find no
 * row that refers to nothing.
 */
export async function describeForeignKeys(catalog: Catalog): Promise<Drafts> {
  const rows = await ask(
    catalog,
    `SELECT TABLE_NAME AS child, CONSTRAINT_NAME AS name, COLUMN_NAME AS childColumn,
       REFERENCED_TABLE_SCHEMA AS schema_, REFERENCED_TABLE_NAME AS parent,
       REFERENCED_COLUMN_NAME AS parentColumn
     FROM information_schema.KEY_COLUMN_USAGE
     WHERE ${inSchema(catalog, "TABLE_SCHEMA")} AND REFERENCED_TABLE_NAME IS NOT NULL
     ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`,
    "list the foreign keys",
  );
  const drafts = noDrafts();
  const keys = Map.groupBy(rows, (row) => JSON.stringify([row["child"], row["name"]]));
  for (const columns of keys.values()) {
    const [first] = columns;
    const schema = must(first, "schema_");
    drafts.objects.push({
      kind: "foreign key proof",
      name: `${must(first, "child")}.${must(first, "name")}`,
      section: "validation",
      statements: [findOrphans(catalog, columns)],
    });
    if (schema !== catalog.database) drafts.requires.push({ kind: "database", name: schema });
  }
  return drafts;
}

function findOrphans({ database }: Catalog, columns: Row[]): string {
  const [first] = columns;
  const schema = must(first, "schema_");
  const parent = quoteName(must(first, "parent"));
  const from = schema === database ? parent : `${quoteName(schema)}.${parent}`;
  const pairs = columns.map((row) => ({
    child: `c.${quoteName(must(row, "childColumn"))}`,
    parent: `p.${quoteName(must(row, "parentColumn"))}`,
  }));
  const equal = pairs.map((pair) => `${pair.child} = ${pair.parent}`).join(" AND ");
  const given = pairs.map(({ child }) => `${child} IS NOT NULL`).join(" AND ");
  const child = quoteName(must(first, "child"));
  return (
    `SELECT ${pairs.map((pair) => pair.child).join(", ")} FROM ${child} c ` +
    `LEFT JOIN ${from} p ON ${equal} WHERE ${given} AND ${pairs[0]?.parent} IS NULL LIMIT 3`
  );
}
