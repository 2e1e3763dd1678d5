/** An assignment of sql_mode to a variable, or of a text or a variable to sql_mode. */
const assignment =
  /@(?<saved>[\w$.]+)\s*:?=\s*@@(?:session\.)?sql_mode\b|(?<![\w@.$])(?:@@(?:session\.)?)?sql_mode\s*:?=\s*(?<value>'[^']*'|"[^"]*"|@[\w$.]+|\w+)/gi;

/**
 * Follows a script's own SET statements, as far as they say how quotes and backslashes are read.
 * The session that runs it begins with an empty sql_mode.
 */
export class SqlModeTracker {
  #mode = "";
  readonly #saved = new Map<string, string>();

  get hasBackslashes(): boolean {
    return !/\bNO_BACKSLASH_ESCAPES\b/i.test(this.#mode);
  }

  /** The combined modes include it. */
  get hasAnsiQuotes(): boolean {
    return /\b(ANSI_QUOTES|ANSI|DB2|MAXDB|MSSQL|ORACLE|POSTGRESQL)\b/i.test(this.#mode);
  }

  follow(statement: string): void {
    for (const { groups } of statement.matchAll(assignment)) {
      const { saved, value } = groups ?? {};
      if (saved !== undefined) this.#saved.set(saved.toLowerCase(), this.#mode);
      else if (value?.startsWith("@")) {
        this.#mode = this.#saved.get(value.slice(1).toLowerCase()) ?? "";
      } else this.#mode = value ?? "";
    }
  }
}
