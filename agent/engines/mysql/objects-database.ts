import { ask, type Catalog, must } from "./catalog.ts";
import { type Drafts, noDrafts } from "./object-draft.ts";
import { quotePlain } from "./quote.ts";

/** The database's own properties; statements name no database, so that any can take them. */
export async function describeDatabase(
  catalog: Catalog,
): Promise<{ drafts: Drafts; collation: string }> {
  const [row] = await ask(
    catalog,
    "SELECT @@character_set_database AS charset, @@collation_database AS collation",
    "read the database's properties",
  );
  const [charset, collation] = [must(row, "charset"), must(row, "collation")];
  const comment = catalog.isMysql ? "" : await readComment(catalog);
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
async function readComment(catalog: Catalog): Promise<string> {
  const rows = await ask(
    catalog,
    `SHOW COLUMNS FROM information_schema.SCHEMATA LIKE 'SCHEMA_COMMENT'`,
    "read the database's properties",
  );
  if (rows.length === 0) return "";
  const [row] = await ask(
    catalog,
    `SELECT SCHEMA_COMMENT AS comment FROM information_schema.SCHEMATA
     WHERE CAST(SCHEMA_NAME AS BINARY) = CAST(${quotePlain(catalog.database)} AS BINARY)`,
    "read the database's properties",
  );
  return must(row, "comment");
}
