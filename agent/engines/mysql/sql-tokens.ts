/** A piece of SQL text; the pieces of a text, joined, are the text again. */
export interface SqlToken {
  /** `name` is a quoted identifier, `word` an unquoted word or number. */
  kind: "name" | "word" | "text" | "comment" | "space" | "sign";
  raw: string;
}

const patterns: [SqlToken["kind"], RegExp][] = [
  ["space", /\s+/y],
  // Version comments hold SQL: only their borders are left out of sight.
  ["comment", /\/\*M?!\d*|\*\/|\/\*[^]*?(?:\*\/|$)|--(?=\s|$)[^\n]*|#[^\n]*/y],
  ["name", /`(?:[^`]|``)*`/y],
  ["word", /[\p{L}\p{N}_$@]+(?:\.[\p{L}\p{N}_$@]+)*/uy],
  ["sign", /[^]/uy],
];
const quoted = /(?:[^\\']|\\[^]|'')*'/y;
const doubleQuoted = /(?:[^\\"]|\\[^]|"")*"/y;
const plainQuoted = /(?:[^']|'')*'/y;
const plainDoubleQuoted = /(?:[^"]|"")*"/y;

/**
 * Cuts SQL into tokens (MariaDB manual, "Lexical Structure"), reading quotes as the object's own
 * sql_mode has it. Never fails: what is left open runs to the end, as a sign.
 */
export function cutTokens(sql: string, sqlMode = ""): SqlToken[] {
  const modes = new Set(sqlMode.split(","));
  const plain = modes.has("NO_BACKSLASH_ESCAPES");
  const tokens: SqlToken[] = [];
  for (let at = 0; at < sql.length;) {
    const token =
      cutQuoted(sql, at, { plain, names: modes.has("ANSI_QUOTES") }) ?? cutOther(sql, at);
    tokens.push(token);
    at += token.raw.length;
  }
  return tokens;
}

/** The identifier that a token stands for. */
export function nameOf({ kind, raw }: SqlToken): string | undefined {
  if (kind === "word") return raw;
  if (kind !== "name") return undefined;
  const quote = raw[0] ?? "";
  return raw.slice(1, -1).replaceAll(quote + quote, quote);
}

/** Leaves out what is no SQL: spaces and comments. */
export function significant(tokens: SqlToken[]): SqlToken[] {
  return tokens.filter(({ kind }) => kind !== "space" && kind !== "comment");
}

function cutQuoted(
  sql: string,
  at: number,
  { plain, names }: { plain: boolean; names: boolean },
): SqlToken | undefined {
  const quote = sql[at];
  if (quote !== "'" && quote !== '"') return undefined;
  const isName = quote === '"' && names;
  const single = plain ? plainQuoted : quoted;
  const double = plain || isName ? plainDoubleQuoted : doubleQuoted;
  const pattern = quote === "'" ? single : double;
  pattern.lastIndex = at + 1;
  const rest = pattern.exec(sql)?.[0];
  if (rest === undefined) return undefined;
  return { kind: isName ? "name" : "text", raw: quote + rest };
}

function cutOther(sql: string, at: number): SqlToken {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const raw = pattern.exec(sql)?.[0];
    if (raw !== undefined) return { kind, raw };
  }
  return { kind: "sign", raw: sql.slice(at) };
}
