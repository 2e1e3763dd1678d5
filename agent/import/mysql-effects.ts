import type { Effect } from "./statement.ts";
import { rowsTable } from "./table-name.ts";

/** All that is looked at of a statement. */
const headBytes = 4000;
const any: Effect = { kind: "any" };

/**
 * Statements that are not run, and why. Locks would keep our other sessions out, and nobody else
 * works in a database that is being filled; with `autocommit` off a session's rows would be lost
 * when another one commits, and a statement that met a deadlock could not be run again.
 */
const leftOut: { pattern: RegExp; why: string }[] = [
  { pattern: /^(?:UN)?LOCK TABLES\b/i, why: "nobody else works in the database" },
  {
    pattern: /^SET\s+(?:@@)?(?:session[\s.]+)?autocommit\s*=\s*0$/i,
    why: "each statement commits",
  },
  { pattern: /gtid_(?:purged|slave_pos)\s*=/i, why: "the target keeps a log of its own" },
  {
    pattern: /^(?:CHANGE|START|STOP|RESET) (?:MASTER|SLAVE|REPLICA)/i,
    why: "the target has its own source",
  },
  { pattern: /^CHANGE REPLICATION/i, why: "the target has its own source" },
  { pattern: /^SET\s[^]*\bsql_log_bin\b/i, why: "the target's replicas get the rows, too" },
];

/** Tells what each statement of a script may change; asked in the script's order. */
export class MysqlEffects {
  #isChecking = true;
  #inTransaction = false;
  #isAlone = false;
  readonly #triggers = new Set<string>();

  effectOf(sql: Buffer, values: number): Effect {
    const text = sql.toString("latin1", 0, headBytes);
    const inner = text.replace(/^\/\*M?!\d*\s*/, "").replace(/\s*(?:\*\/)?\s*$/, "");
    const out = leftOut.find(({ pattern }) => values === 0 && pattern.test(inner));
    if (out !== undefined) return { kind: "left-out", why: out.why };
    if (/^COMMIT$/i.test(inner) && !this.#inTransaction)
      return { kind: "left-out", why: "each statement commits" };
    this.#note(inner);
    if (this.#inTransaction || this.#isAlone) return any;
    if (
      /^SET\b(?!\s+(?:GLOBAL|PERSIST|PASSWORD|ROLE|DEFAULT))(?!\s+@@(?:global|persist))/i.test(
        inner,
      )
    )
      return { kind: "session" };
    return this.#effectOfRows(sql, values) ?? any;
  }

  #effectOfRows(sql: Buffer, values: number): Effect | undefined {
    const table = values > 0 && !this.#isChecking ? rowsTable(sql, "mysql") : undefined;
    if (table === undefined || this.#triggers.has(table)) return undefined;
    // Which of two equal keys comes first would matter.
    if (!/^INSERT\s+INTO\b/i.test(sql.toString("latin1", 0, 40))) return undefined;
    if (sql.includes("ON DUPLICATE KEY")) return undefined;
    return { kind: "rows", table, rows: values };
  }

  #note(text: string): void {
    if (/^(?:BEGIN|START\s+TRANSACTION)$/i.test(text)) this.#inTransaction = true;
    else if (/^(?:COMMIT|ROLLBACK)$/i.test(text)) this.#inTransaction = false;
    if (/^(?:CREATE\s+TEMPORARY|PREPARE|HANDLER|XA)\b/i.test(text)) this.#isAlone = true;
    if (/^SET\b[^]*\bautocommit\b/i.test(text)) this.#isAlone = true;
    const [, checks] = /^SET\b[^]*(?<!@)\bFOREIGN_KEY_CHECKS\s*=\s*(\S+)/i.exec(text) ?? [];
    if (checks !== undefined) this.#isChecking = !/^(?:0|OFF)\b/i.test(checks);
    const [, trigger] = /\bTRIGGER\s[^]*?\sON\s+(`(?:[^`]|``)+`|\w+)/i.exec(text) ?? [];
    if (trigger !== undefined && /^CREATE\b/i.test(text)) this.#triggers.add(trigger);
  }
}
