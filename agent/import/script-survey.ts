import { BadStream } from "./dump-file.ts";
import { DumpHeader } from "./dump-header.ts";
import type { ScriptEvent } from "./script-lexer.ts";
import type { Damage, Dialect, Place, Refusal, Survey, TableRows } from "./statement.ts";
import { rowsTable } from "./table-name.ts";

/** Refusals that are told; more say nothing new. */
const mostRefusals = 20;
/** Statements that may say something of the source's log. */
const noteLimit = 100_000;

/** Adds up what a script holds, event by event. */
export class ScriptSurvey {
  readonly #dialect: Dialect;
  readonly #header = new DumpHeader();
  readonly #tables = new Map<string, TableRows>();
  readonly #databases = new Set<string>();
  readonly #refusals: Refusal[] = [];
  #database: string | null = null;
  #statements = 0;
  #longest: Survey["longest"] = null;
  readonly #created: string[] = [];
  #damage: Damage | null = null;
  #current: TableRows | undefined;
  #lastTable: string | null = null;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  note(event: ScriptEvent): void {
    switch (event.kind) {
      case "statement":
        return this.#noteStatement(event);
      case "copy":
        this.#statements++;
        this.#beginTable(event.sql, event.place);
        return;
      case "rows":
        this.#noteRows(event);
        return;
      case "copy-end":
        return this.#endTable();
      case "connect":
        return this.#use(event.database);
      case "comment":
        return this.#header.note(event.text);
      case "refusal":
        if (this.#refusals.length < mostRefusals)
          this.#refusals.push({ what: event.what, place: event.place });
        return;
      case "damage":
        this.#damage ??= { ...event.damage, lastTable: this.#lastTable };
    }
  }

  /** The stream that the script comes from has failed. */
  noteBadStream({ kind, message }: BadStream, place: Place): void {
    this.#damage ??= { kind, what: message, place, lastTable: this.#lastTable };
  }

  result(
    end: Place,
  ): Pick<
    Survey,
    | "tool"
    | "toolVersion"
    | "serverVersion"
    | "facts"
    | "databases"
    | "tables"
    | "statements"
    | "longest"
    | "created"
    | "refusals"
    | "damage"
  > {
    const { tool, toolVersion, serverVersion, facts, isComplete } = this.#header;
    this.#endTable();
    const truncated = { kind: "truncated", place: end, lastTable: this.#lastTable } as const;
    if (!isComplete)
      this.#damage ??= {
        ...truncated,
        what: `the last line that ${tool ?? "the tool"} writes is missing`,
      };
    if (this.#statements === 0 && this.#refusals.length === 0)
      this.#damage ??= { ...truncated, what: "no statement is in it" };
    return {
      tool,
      toolVersion,
      serverVersion,
      facts,
      databases: [...this.#databases],
      tables: [...this.#tables.values()],
      statements: this.#statements,
      longest: this.#longest,
      created: this.#created,
      refusals: this.#refusals,
      damage: this.#damage,
    };
  }

  #noteStatement({ sql, place, values }: ScriptEvent & { kind: "statement" }): void {
    this.#statements++;
    if (sql.length > (this.#longest?.bytes ?? 0)) this.#longest = { bytes: sql.length, place };
    if (values > 0) {
      const table = this.#beginTable(sql, place);
      if (table !== undefined) table.rows += values;
      return;
    }
    this.#endTable();
    if (sql.length > noteLimit) return;
    const text = sql.toString("utf8");
    this.#header.noteStatement(text);
    if (/^CREATE DATABASE\b/i.test(text)) this.#created.push(text);
    const database = this.#dialect === "mysql" ? usedDatabase(text) : undefined;
    if (database !== undefined) this.#use(database);
  }

  #noteRows({ bytes, rows, place }: ScriptEvent & { kind: "rows" }): void {
    if (this.#current !== undefined) this.#current.rows += rows;
    if (!bytes.includes(0)) return;
    const what = `the rows of table ${this.#current?.name ?? "?"} hold a zero byte`;
    this.#damage ??= { kind: "damaged", what, place, lastTable: this.#lastTable };
  }

  #beginTable(sql: Buffer, place: Place): TableRows | undefined {
    const name = rowsTable(sql, this.#dialect);
    if (name === undefined) return undefined;
    const key = `${this.#database ?? ""}\0${name}`;
    const table = this.#tables.get(key) ?? { name, database: this.#database, rows: 0, place };
    if (table !== this.#current) this.#endTable();
    this.#tables.set(key, table);
    this.#current = table;
    return table;
  }

  #endTable(): void {
    this.#lastTable = this.#current?.name ?? this.#lastTable;
    this.#current = undefined;
  }

  #use(database: string): void {
    this.#databases.add(database);
    this.#database = database;
  }
}

/** `USE database`, which is a statement to the server and a command to its client. */
export function usedDatabase(statement: string): string | undefined {
  const [, quoted, plain] = /^USE\s+(?:`((?:[^`]|``)+)`|([^\s`]+))\s*$/i.exec(statement) ?? [];
  return quoted?.replaceAll("``", "`") ?? plain;
}
