/**
 * Quoting for SQL that we make from names and values of a catalog. Manual, "Lexical Structure":
 * quoted identifiers, string constants, string constants with C-style escapes.
 */

/** `we"ird` → `"we""ird"`. Always quoted: no list of keywords to keep. */
export function quoteName(name: string): string {
  return `"${withoutZero(name).replaceAll('"', '""')}"`;
}

/** `schema.name`, each quoted. */
export function quoteQualified({ schema, name }: { schema: string; name: string }): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/** Means the same whether `standard_conforming_strings` is on or off. */
export function quoteLiteral(value: string): string {
  const quoted = `'${withoutZero(value).replaceAll("'", "''")}'`;
  return quoted.includes("\\") ? `E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

function withoutZero(text: string): string {
  if (text.includes("\0")) throw new SyntaxError("Cannot quote text: it contains a zero byte");
  return text;
}
