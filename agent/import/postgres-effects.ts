import type { Effect } from "./statement.ts";
import { changedTable, rowsTable } from "./table-name.ts";

/** All that is looked at of a statement. */
const headBytes = 4000;
const any: Effect = { kind: "any" };

/** Tells what each statement of a script may change; asked in the script's order. */
export class PostgresEffects {
  /** Foreign keys, triggers and rules are there: rows may depend on rows. */
  #isOrdered = false;
  #inTransaction = false;
  /** The script uses what only one session has. */
  #isAlone = false;

  effectOf(sql: Buffer, values: number): Effect {
    const text = sql.toString("latin1", 0, headBytes);
    if (/^COMMENT ON EXTENSION plpgsql /i.test(text))
      return { kind: "left-out", why: "only a superuser may, and the server has it already" };
    this.#note(text);
    if (this.#inTransaction || this.#isAlone) return any;
    if (/^(?:RESET|SET(?! (?:LOCAL|TRANSACTION|CONSTRAINTS)))\b/i.test(text))
      return { kind: "session" };
    if (/^SELECT (?:pg_catalog\.)?set_config\([^()]*, false\)$/i.test(text))
      return { kind: "session" };
    const rows = values > 0 && !this.#isOrdered ? rowsTable(sql, "postgres") : undefined;
    if (rows !== undefined) return { kind: "rows", table: rows, rows: values };
    const isBuild =
      /^(?:CREATE (?:UNIQUE )?INDEX|ALTER TABLE .*\sADD CONSTRAINT .*(?:PRIMARY KEY|UNIQUE))\b/is;
    const table = isBuild.test(text) ? changedTable(sql, "postgres") : undefined;
    return table === undefined || /\bCONCURRENTLY\b/i.test(text) ? any : { kind: "table", table };
  }

  /** Whether rows of a COPY may be loaded in pieces, beside others. */
  isPlainCopy(sql: Buffer): boolean {
    const isPlain = /\sFROM stdin$/i.test(sql.toString("latin1").trimEnd());
    return isPlain && !this.#isOrdered && !this.#inTransaction && !this.#isAlone;
  }

  #note(text: string): void {
    if (/^(?:BEGIN|START\s+TRANSACTION)\b/i.test(text)) this.#inTransaction = true;
    else if (/^(?:COMMIT|END|ABORT|ROLLBACK(?! TO))\b/i.test(text)) this.#inTransaction = false;
    else if (this.#inTransaction && /^(?:RESET|SET)\b/i.test(text)) this.#isAlone = true;
    if (/^(?:CREATE\s+(?:LOCAL\s+)?TEMP|PREPARE|LOCK|DECLARE)/i.test(text)) this.#isAlone = true;
    const makesOrder =
      /^(?:CREATE|ALTER)\s[^]*\b(?:REFERENCES|TRIGGER|RULE)\b/i.test(text) &&
      !/^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b/i.test(text);
    if (makesOrder) this.#isOrdered = true;
  }
}
