/** A name as an SQL identifier, whatever it holds. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** A text as an SQL literal: hexadecimal, so that neither sql_mode nor escapes can matter. */
export function quoteText(text: string): string {
  return `_utf8mb4 x'${Buffer.from(text).toString("hex")}'`;
}

/**
 * A text as a plain quoted literal, for the places of the grammar that take no other
 * (`SET sql_mode = …`, `COMMENT …`). Needs a session without NO_BACKSLASH_ESCAPES.
 */
export function quotePlain(text: string): string {
  return `'${text.replace(/[\\']/g, String.raw`\$&`).replaceAll("\0", String.raw`\0`)}'`;
}

/** An account, `name@host`, as GRANT and DEFINER take it. */
export function quoteAccount(account: string): string {
  const at = account.lastIndexOf("@");
  if (at === -1) return quoteName(account);
  return `${quoteName(account.slice(0, at))}@${quoteName(account.slice(at + 1))}`;
}
