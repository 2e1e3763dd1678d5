import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quotePlain } from "./quote.ts";
import type { Row } from "./session.ts";

/** The database's own properties; statements name no database, so that any can take them. */
export async function describeDatabase(
  catalog: Catalog,
): Promise<{ drafts: Drafts; collation: string }> {
  const row = await readSchema(catalog);
  const [charset, collation] = [must(row, "charset"), must(row, "collation")];
  const comment = row?.["comment"] ?? "";
  const properties = [`CHARACTER SET ${charset}`, `COLLATE ${collation}`];
  if (comment !== "") properties.push(`COMMENT ${quotePlain(comment)}`);
  const drafts = noDrafts();
  drafts.objects.push({
    kind: "database",
    name: catalog.database,
    section: "pre-data",
    statements: [`ALTER DATABASE ${properties.join(" ")}`],
  });
  drafts.requires.push({ kind: "collation", name: collation });
  return { drafts, collation };
}

/** SCHEMA_COMMENT is there from MariaDB 10.5 on. */
async function readSchema(catalog: Catalog): Promise<Row | undefined> {
  const act = "read the database's properties";
  const column = "SHOW COLUMNS FROM information_schema.SCHEMATA LIKE 'SCHEMA_COMMENT'";
  const hasComment = (await ask(catalog, column, act)).length > 0;
  const [row] = await ask(
    catalog,
    `SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation
       ${hasComment ? ", SCHEMA_COMMENT AS comment" : ""}
     FROM information_schema.SCHEMATA WHERE ${inSchema(catalog, "SCHEMA_NAME")}`,
    act,
  );
  return row;
}
