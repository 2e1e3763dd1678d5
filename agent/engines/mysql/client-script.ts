import { DbctlError } from "../../../core/errors.ts";
import type { SchemaObject, ServerFacts } from "../engine.ts";
import { versionNumber } from "./handshake.ts";
import { cutTokens, significant } from "./sql-tokens.ts";

const strict = "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";
/** For rows with an ENUM's error value, which no strict mode takes. */
const lenient = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";

/** The session under which definitions and rows mean what they meant; as loaders have it. */
export function sessionScript({ flavour, version }: ServerFacts): string {
  const settings = [
    `sql_mode = '${strict}'`,
    "time_zone = '+00:00'",
    "character_set_client = utf8mb4",
    "character_set_results = utf8mb4",
    "collation_connection = utf8mb4_general_ci",
    "foreign_key_checks = 0",
    "unique_checks = 1",
    "autocommit = 1",
  ];
  if (flavour === "mariadb") settings.push("check_constraint_checks = 0", "innodb_strict_mode = 0");
  if (flavour === "mariadb" && versionNumber(version) >= 1011)
    settings.push("system_versioning_insert_history = 1");
  return `SET ${settings.map((setting) => `SESSION ${setting}`).join(", ")};\n`;
}

export const lenientScript = `SET SESSION sql_mode = '${lenient}';\n`;
export const strictScript = `SET SESSION sql_mode = '${strict}';\n`;

/** What a statement of a backup begins with; a word of the client's own is not among them. */
const beginnings = new Set(["CREATE", "ALTER", "SET", "DO", "INSERT"]);
const delimiters = [";;", "$$", "//", "%%", "||;"];

/**
 * An object's statements for the client, and the session as it was before. One that the client
 * could take a command of its own out of is refused (SEC-11).
 */
export function clientScript(object: SchemaObject, facts: ServerFacts): Buffer {
  const mode = modeOf(object.statements);
  const isRoutine = object.statements.some((statement) => statement.includes(";"));
  const delimiter = isRoutine
    ? delimiters.find((one) => !object.statements.some((statement) => statement.includes(one)))
    : ";";
  if (delimiter === undefined || !object.statements.every((statement) => isSafe(statement, mode)))
    throw unsafe(object);
  const lines = object.statements.map((statement) => `${statement}${delimiter}\n`).join("");
  const body = isRoutine ? `DELIMITER ${delimiter}\n${lines}DELIMITER ;\n` : lines;
  const changes = object.statements.some((statement) => statement.startsWith("SET "));
  return Buffer.from(changes ? `${body}${sessionScript(facts)}` : body);
}

/** The sql_mode that the object's own statements set. */
function modeOf(statements: readonly string[]): string {
  const set = statements.find((statement) => statement.startsWith("SET ")) ?? "";
  return /SESSION sql_mode = '([A-Z_,0-9]*)'/.exec(set)?.[1] ?? "";
}

function isSafe(statement: string, mode: string): boolean {
  const tokens = significant(cutTokens(statement, mode));
  const [first] = tokens;
  if (first?.kind !== "word" || !beginnings.has(first.raw.toUpperCase())) return false;
  return tokens.every(({ kind, raw }) => {
    if (kind === "sign") return raw.length === 1 && !/[\\'"`\0]/.test(raw);
    return kind !== "word" || raw.toLowerCase() !== "delimiter";
  });
}

function unsafe({ kind, name }: SchemaObject): DbctlError {
  return new DbctlError(
    "object-unsupported",
    `Cannot write ${kind} ${name}: the client may misread it`,
    { remedy: "Restore the backup with dbctl restore, which does not use the client" },
  );
}
