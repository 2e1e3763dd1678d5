import { type Catalog, must } from "./catalog.ts";
import type { Drafts } from "./object-draft.ts";
import { mentionsDatabase } from "./own-qualifier.ts";
import { quotePlain } from "./quote.ts";
import type { Row } from "./session.ts";

/** The settings that a routine, trigger, event or view was created under, and that belong to it. */
export interface CreationContext {
  sqlMode: string | null;
  charset: string;
  collation: string;
  /** The database's own collation at that time; null for views, which have none. */
  databaseCollation: string | null;
  timeZone: string | null;
}

/** Reads the context off a row of SHOW CREATE. */
export function readContext(row: Row | undefined): CreationContext {
  return {
    sqlMode: row?.["sql_mode"] ?? null,
    charset: must(row, "character_set_client"),
    collation: must(row, "collation_connection"),
    databaseCollation: row?.["Database Collation"] ?? null,
    timeZone: row?.["time_zone"] ?? null,
  };
}

/** The statements that create a definition under its context, and leave the database as it was. */
export function withContext(
  create: string,
  { collation, databaseCollation, ...context }: CreationContext,
  current: string,
): string[] {
  const settings = [
    `SESSION character_set_client = ${clientCharset(create, context.charset)}`,
    `SESSION collation_connection = ${collation}`,
  ];
  if (context.sqlMode !== null) settings.push(`SESSION sql_mode = ${quotePlain(context.sqlMode)}`);
  if (context.timeZone !== null)
    settings.push(`SESSION time_zone = ${quotePlain(context.timeZone)}`);
  const statements = [`SET ${settings.join(", ")}`, create];
  if (databaseCollation === null || databaseCollation === current) return statements;
  const alter = (name: string) => `ALTER DATABASE COLLATE ${name}`;
  return [alter(databaseCollation), ...statements, alter(current)];
}

/**
 * Statements travel as UTF-8. One that is all ASCII may be declared to be in the client's own
 * character set; any other is converted by the server, as it was when it was created.
 */
function clientCharset(create: string, charset: string): string {
  // oxlint-disable-next-line no-control-regex
  const isAscii = /^[\0-\x7f]*$/.test(create);
  const isUtf8 =
    charset === "utf8mb4" ||
    (charset.startsWith("utf8") && !/[\u{10000}-\u{10ffff}]/u.test(create));
  return isAscii || isUtf8 ? charset : "utf8mb4";
}

/** Notes what a piece of code needs: its definer, and the database when its text names it. */
export function noteNeeds(
  drafts: Drafts,
  { database }: Catalog,
  code: { definer: string; text: string; sqlMode: string | null },
): void {
  drafts.requires.push({ kind: "account", name: code.definer });
  if (mentionsDatabase(code.text, database, code.sqlMode ?? ""))
    drafts.requires.push({ kind: "database", name: database });
}
