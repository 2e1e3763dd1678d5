import type { ArchiveEntry, Toc } from "./read-toc.ts";

/** What is run for one entry: its text, and the rows that follow it. */
export interface ArchiveStep {
  /** The entry's number; 0 for what stands before all entries. */
  id: number;
  /** SQL, a character for each byte. */
  sql: string;
  /** The entry whose data follow the text. */
  data?: ArchiveEntry;
  /** Why it is not run; it is only counted then. */
  leftOut?: string;
}

/** Before everything, as pg_restore has it. */
const settings = `SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
`;

/** Entries that say how the others are to be read. */
const heads = new Set(["ENCODING", "STDSTRINGS", "SEARCHPATH"]);
const targetsOwn = "properties of the database are the target's";
const alwaysThere = "every database has the schema public";
const statistics = "planner statistics: run ANALYZE";

/** What pg_restore would do, in its order. */
export function archiveSteps({ entries }: Toc): ArchiveStep[] {
  const head = entries.filter(({ kind }) => heads.has(kind));
  const hasPath = head.some(({ kind }) => kind === "SEARCHPATH");
  const begin = { id: 0, sql: settings + head.map(({ definition }) => definition).join("") };
  const isOld = entries.some((entry) => entry.kind === "SCHEMA" && isPublicSchema(entry));
  const context: Context = {
    isOld,
    hasPath,
    schema: "",
    tablespace: undefined,
    accessMethod: undefined,
  };
  const rest = entries.filter(({ kind }) => !heads.has(kind));
  const passes = [isMain, isGrant, isLate].map((belongs) => rest.filter(belongs));
  return [begin, ...passes.flat().map((entry) => stepOf(entry, context))];
}

/** What the sessions were last told. */
interface Context {
  /** Made by pg_dump 10. */
  isOld: boolean;
  hasPath: boolean;
  schema: string;
  tablespace: string | undefined;
  accessMethod: string | undefined;
}

/** Rights come when all is there; what needs rights to be made comes after them. */
function isGrant({ kind }: ArchiveEntry): boolean {
  return ["ACL", "ACL LANGUAGE", "DEFAULT ACL"].includes(kind);
}

function isLate({ kind, name }: ArchiveEntry): boolean {
  if (["EVENT TRIGGER", "MATERIALIZED VIEW DATA"].includes(kind)) return true;
  return ["COMMENT", "SECURITY LABEL"].includes(kind) && name.startsWith("EVENT TRIGGER ");
}

function isMain(entry: ArchiveEntry): boolean {
  return !isGrant(entry) && !isLate(entry);
}

function stepOf(entry: ArchiveEntry, context: Context): ArchiveStep {
  const { id, kind, definition } = entry;
  if (isOfDatabase(entry)) return { id, sql: definition, leftOut: targetsOwn };
  if (context.isOld && isPublicSchema(entry)) return { id, sql: definition, leftOut: alwaysThere };
  if (kind === "STATISTICS DATA") return { id, sql: definition, leftOut: statistics };
  const before = contextOf(entry, context);
  if (kind === "TABLE DATA" && entry.data.kind !== "no-data")
    return { id, sql: before + entry.copy, data: entry };
  return { id, sql: `${before}${definition}\n${ownerOf(entry)}${partitionsMethod(entry)}` };
}

function isOfDatabase({ kind, name }: ArchiveEntry): boolean {
  if (kind === "DATABASE" || kind === "DATABASE PROPERTIES") return true;
  return ["ACL", "COMMENT", "SECURITY LABEL"].includes(kind) && name.startsWith("DATABASE ");
}

/** pg_dump 10 made it nevertheless, and pg_restore passed over it and its comment. */
function isPublicSchema({ kind, name, definition }: ArchiveEntry): boolean {
  if (kind === "COMMENT" && name === "SCHEMA public") return true;
  return kind === "SCHEMA" && name === "public" && definition.startsWith("CREATE SCHEMA");
}

/** Settings that an entry's definition relies on, where they change. */
function contextOf(entry: ArchiveEntry, context: Context): string {
  const { schema, tablespace, accessMethod, isPartitioned } = entry;
  let sql = "";
  if (!context.hasPath && schema !== "" && schema !== context.schema) {
    sql += `SET search_path = ${quote(schema)}, pg_catalog;\n`;
    context.schema = schema;
  }
  if (tablespace !== null && tablespace !== context.tablespace) {
    sql += `SET default_tablespace = ${tablespace === "" ? "''" : quote(tablespace)};\n`;
    context.tablespace = tablespace;
  }
  const isNew = accessMethod !== context.accessMethod && !isPartitioned;
  if (accessMethod !== null && accessMethod !== "" && isNew) {
    sql += `SET default_table_access_method = ${quote(accessMethod)};\n`;
    context.accessMethod = accessMethod;
  }
  return sql;
}

function partitionsMethod({ schema, name, accessMethod, isPartitioned }: ArchiveEntry): string {
  if (!isPartitioned || accessMethod === null || accessMethod === "") return "";
  return `ALTER TABLE ${quote(schema)}.${quote(name)} SET ACCESS METHOD ${quote(accessMethod)};\n`;
}

/** Kinds whose name is a plain one, in a schema or not. */
const named = new Set(
  (
    "COLLATION,CONVERSION,DOMAIN,FOREIGN TABLE,MATERIALIZED VIEW,SEQUENCE,STATISTICS,TABLE," +
    "TEXT SEARCH DICTIONARY,TEXT SEARCH CONFIGURATION,TYPE,VIEW,PROCEDURAL LANGUAGE,SCHEMA," +
    "EVENT TRIGGER,FOREIGN DATA WRAPPER,SERVER,PUBLICATION,SUBSCRIPTION"
  ).split(","),
);
/** Kinds whose full name is in the statement that drops them. */
const dropped = new Set([
  "AGGREGATE",
  "FUNCTION",
  "OPERATOR",
  "OPERATOR CLASS",
  "OPERATOR FAMILY",
  "PROCEDURE",
]);

/** Archives keep owners apart from definitions (pg_backup_archiver.c, _printTocEntry). */
function ownerOf({ kind, name, schema, owner, drop }: ArchiveEntry): string {
  if (owner === "" || drop === "") return "";
  const to = `OWNER TO ${quote(owner)};\n`;
  const own = `${schema === "" ? "" : `${quote(schema)}.`}${quote(name)}`;
  if (named.has(kind)) return `ALTER ${kind} ${own} ${to}`;
  if (!dropped.has(kind)) return "";
  return `ALTER ${drop.replace(/^DROP /, "").replace(/[;\s]+$/, "")} ${to}`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
