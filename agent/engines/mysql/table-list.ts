import { journalName } from "../restore-journal.ts";
import { ask, type Catalog, inSchema, must } from "./catalog.ts";
import { quotePlain } from "./quote.ts";

/** What SHOW FULL TABLES knows of a table, view or sequence. */
export interface TableEntry {
  name: string;
  /** `BASE TABLE`, `SYSTEM VERSIONED`, `VIEW`, `SEQUENCE`, … */
  type: string;
  /** Null for views, and for a table whose engine is not there. */
  engine: string | null;
  collation: string | null;
}

/** Every table, view and sequence of the database, by name; the journal of a restore is none. */
export async function readTableList(catalog: Catalog): Promise<TableEntry[]> {
  const rows = await ask(
    catalog,
    `SELECT TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine, TABLE_COLLATION AS collation
     FROM information_schema.TABLES WHERE ${inSchema(catalog, "TABLE_SCHEMA")}
     AND TABLE_TYPE <> 'TEMPORARY' AND TABLE_NAME <> ${quotePlain(journalName)}
     ORDER BY CAST(TABLE_NAME AS BINARY)`,
    "list the tables",
  );
  return rows.map((row) => ({
    name: must(row, "name"),
    type: must(row, "type"),
    engine: row["engine"] ?? null,
    collation: row["collation"] ?? null,
  }));
}

/** Engines whose rows are part of a snapshot. */
export function isTransactional({ engine }: TableEntry): boolean {
  return engine === "InnoDB";
}

export function isTable({ type }: TableEntry): boolean {
  return type === "BASE TABLE" || type === "SYSTEM VERSIONED";
}
