import { DbctlError } from "../../../core/errors.ts";
import type { RunOptions } from "../script-target.ts";
import { isHarmless } from "./loader.ts";
import { quoteText } from "./quote.ts";
import type { Row, Session } from "./session.ts";

/** The value of a generated column was given, which the server makes by itself. */
const generated = "1906";

/**
 * Fails when the server has changed what it was given so that it fits. Dumps switch the strict mode
 * off, so that it only warns.
 */
export async function refuseLosses(
  session: Session,
  sql: Uint8Array,
  { act, signal }: RunOptions,
): Promise<void> {
  const rows = await session.query("SHOW WARNINGS", { signal, act });
  for (const warning of rows) {
    if (warning["Code"] === generated || isHarmless(warning)) continue;
    if (await isErrorValue(session, warning, { sql, act, signal })) continue;
    throw new DbctlError("engine-refused", `Cannot ${act}: ${warning["Message"]}`, {
      remedy: `The server only warns (${warning["Code"]}), but the data would not be the dump's; compare the target's version and settings with the source's`,
    });
  }
}

const table = /^INSERT\s+INTO\s+`((?:[^`]|``)+)`/i;

/** An ENUM's error value, the empty text, which the dump writes as it was; the server says so. */
async function isErrorValue(
  session: Session,
  { Code, Message }: Row,
  { sql, act, signal }: RunOptions & { sql: Uint8Array },
): Promise<boolean> {
  const column = /column '([^]*)' at row/.exec(Message ?? "")?.[1];
  const name = table.exec(Buffer.from(sql.subarray(0, 1000)).toString("utf8"))?.[1];
  if (Code !== "1265" || column === undefined || name === undefined) return false;
  const rows = await session.query(
    `SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
       AND TABLE_NAME = ${quoteText(name.replaceAll("``", "`"))}
       AND COLUMN_NAME = ${quoteText(column)} AND DATA_TYPE = 'enum'`,
    { signal, act },
  );
  return rows.length > 0;
}
