/** Encodings of clients in whose characters a byte can look like a backslash or a quote. */
const unsafeEncodings = /\b(sjis|shift_jis_2004|big5|gbk|uhc|gb18030|johab)\b/i;
/** Statements that set something are shorter. */
const settingLimit = 1000;

/** Follows a script's own settings, as far as they say how its text is read. */
export class PostgresTextRules {
  /** `standard_conforming_strings`: a backslash in a plain string is a character like others. */
  isStandard = true;

  /** Gives an encoding that the statement sets and that cannot be read byte by byte. */
  follow(sql: Buffer): string | undefined {
    if (sql.length > settingLimit) return undefined;
    const text = sql.toString("latin1");
    const strings = /standard_conforming_strings\W+(?:to\s+)?'?(on|off|true|false|default)/i;
    const mode = strings.exec(text)?.[1]?.toLowerCase();
    if (mode !== undefined) this.isStandard = !["off", "false"].includes(mode);
    const setsEncoding = /client_encoding|\bnames\b/i.test(text);
    return setsEncoding ? unsafeEncodings.exec(text)?.[1] : undefined;
  }
}
