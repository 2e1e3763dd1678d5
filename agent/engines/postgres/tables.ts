import type { TableData } from "../engine.ts";
import { journalName } from "../restore-journal.ts";
import { binaryTypes } from "./builtin-types.ts";
import type { PostgresSession, Row } from "./session.ts";
import { DbctlError } from "../../../core/errors.ts";

/** What `TableData.details` holds of a table of PostgreSQL. */
export interface TableDetails {
  /** Encoding of the rows: the database's own. */
  encoding: string;
  /**
   * Oid of each column's type, that under all domains; 0 for a type that is not built in. Backups
   * of the first versions do not have it.
   */
  types?: number[];
}

/**
 * Tables of users: not the system's, not another session's, not made by an extension, not the
 * journal of a restore.
 */
const usersTable = `
  c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '${journalName}')
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
      AND d.deptype = 'e')`;

/** Every relation that a lock keeps from changing, with all that tells a changed one. */
export function listLockable(session: PostgresSession): Promise<Row[]> {
  return session.query(`
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relfilenode AS file
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND ${usersTable} ORDER BY c.oid`);
}

/** Every relation with storage and rows: plain tables and the leaves of partitioned ones. */
export async function listTables(session: PostgresSession): Promise<TableData[]> {
  await refuseOids(session);
  const generated = session.major >= 12 ? "AND a.attgenerated = ''" : "";
  const rows = await session.query(`
    SELECT c.oid, n.nspname AS schema, c.relname AS name, a.attname AS column,
      (WITH RECURSIVE base AS (
         SELECT t.oid, t.typtype, t.typbasetype
         FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid
         UNION ALL
         SELECT t.oid, t.typtype, t.typbasetype
         FROM base JOIN pg_catalog.pg_type AS t ON t.oid = base.typbasetype
         WHERE base.typtype = 'd')
       SELECT base.oid FROM base WHERE base.typtype <> 'd') AS type
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute AS a
      ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ${generated}
    WHERE c.relkind = 'r' AND ${usersTable} ORDER BY c.oid, a.attnum`);
  const tables = Map.groupBy(rows, (row) => row["oid"]);
  return [...tables.values()].map((columns) => describe(columns, session.encoding));
}

export function detailsOf(table: TableData): TableDetails {
  const { details } = table;
  const isRecord = typeof details === "object" && details !== null && !Array.isArray(details);
  const { encoding, types } = isRecord ? details : {};
  const isTyped = Array.isArray(types) && types.length === table.columns.length;
  if (typeof encoding === "string")
    return { encoding, ...(isTyped ? { types: types.map(Number) } : {}) };
  throw new DbctlError(
    "repository-newer",
    `Cannot use table ${table.schema}.${table.name}: the backup describes it in an unknown way`,
    { remedy: "Use the dbctl version that wrote the backup, or a newer one" },
  );
}

/** Oids from here on are a database's own (manual, "OID Assignment"). */
const firstOwnOid = 16_384;

function describe(rows: Row[], encoding: string): TableData {
  // A table without columns of its own is one row without a column.
  const columns = rows.filter((row) => typeof row["column"] === "string");
  const oids = columns.map((row) => Number(row["type"]));
  const isBinary = oids.every((oid) => binaryTypes.has(oid));
  const details = { encoding, types: oids.map((oid) => (oid < firstOwnOid ? oid : 0)) };
  return {
    schema: rows[0]?.["schema"] ?? "",
    name: rows[0]?.["name"] ?? "",
    columns: columns.map((row) => row["column"] ?? ""),
    format: isBinary ? "postgres-copy-binary" : "postgres-copy-text",
    details,
  };
}

/** Before PostgreSQL 12 a table could have a hidden column of oids, which a copy would lose. */
async function refuseOids(session: PostgresSession): Promise<void> {
  if (session.major >= 12) return;
  const rows = await session.query(
    "SELECT c.oid::pg_catalog.regclass AS name FROM pg_catalog.pg_class AS c WHERE c.relhasoids AND c.oid >= 16384",
  );
  if (rows.length === 0) return;
  const names = rows.map((row) => row["name"]).join(", ");
  throw new DbctlError("object-unsupported", `Cannot back up ${names}: it is a table WITH OIDS`, {
    remedy: "ALTER TABLE … SET WITHOUT OIDS, or copy the oids to a column of its own",
  });
}
