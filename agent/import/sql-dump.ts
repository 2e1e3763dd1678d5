import { unreachable } from "../../core/unreachable.ts";
import { countLines } from "./copy-rows.ts";
import { BadStream, type DumpFile, readExpanded } from "./dump-file.ts";
import { MysqlEffects } from "./mysql-effects.ts";
import { MysqlLexer } from "./mysql-lexer.ts";
import { PostgresEffects } from "./postgres-effects.ts";
import { PostgresLexer } from "./postgres-lexer.ts";
import type { ScriptEvent, ScriptLexer } from "./script-lexer.ts";
import { damagedDump, describeDamage, refusedDump } from "./refused-dump.ts";
import { ScriptSurvey, usedDatabase } from "./script-survey.ts";
import type { Dialect, ImportItem, ImportSource, Place, Reading, Survey } from "./statement.ts";
import { rowsTable } from "./table-name.ts";

interface SqlDump {
  file: DumpFile;
  dialect: Dialect;
}

/** A plain SQL dump, compressed or not, as something to import. */
export function openSqlDump(dump: SqlDump): ImportSource {
  return {
    fileBytes: dump.file.bytes,
    survey: (options) => survey(dump, options),
    items: (options) => readItems(dump, options),
  };
}

async function survey({ file, dialect }: SqlDump, reading: Reading): Promise<Survey> {
  const script = new ScriptSurvey(dialect);
  const lexer = createLexer(dialect);
  const text = new Measure();
  try {
    for await (const piece of readExpanded(file, reading)) {
      for (const event of lexer.push(piece)) script.note(event);
      text.add(piece);
    }
    for (const event of lexer.finish()) script.note(event);
  } catch (error) {
    if (!(error instanceof BadStream)) throw error;
    script.noteBadStream(error, text.place);
  }
  return {
    format: "sql",
    compression: file.compression,
    dialect,
    hasRows: true,
    ...script.result(text.place),
    fileBytes: file.bytes,
    bytes: text.place.byte,
    lines: text.place.line - 1,
  };
}

/** Counts what has come. */
class Measure {
  readonly place: Place = { line: 1, byte: 0 };

  add(piece: Buffer): void {
    this.place.byte += piece.length;
    this.place.line += countLines(piece);
  }
}

function createLexer(dialect: Dialect): ScriptLexer {
  return dialect === "postgres" ? new PostgresLexer() : new MysqlLexer();
}

async function* readEvents(dump: SqlDump, reading: Reading): AsyncGenerator<ScriptEvent> {
  const lexer = createLexer(dump.dialect);
  try {
    for await (const piece of readExpanded(dump.file, reading)) yield* lexer.push(piece);
  } catch (error) {
    throw error instanceof BadStream ? damagedDump(dump.file.path, error.message) : error;
  }
  yield* lexer.finish();
}

async function* readItems(dump: SqlDump, reading: Reading): AsyncGenerator<ImportItem> {
  const { dialect, file } = dump;
  yield* itemsOf(readEvents(dump, reading), { path: file.path, dialect });
}

/** What a script's events are to be done for, in the same order. */
export async function* itemsOf(
  events: AsyncGenerator<ScriptEvent>,
  dump: { path: string; dialect: Dialect },
): AsyncGenerator<ImportItem> {
  const effects = dump.dialect === "postgres" ? new PostgresEffects() : new MysqlEffects();
  for await (const event of events) {
    switch (event.kind) {
      case "statement": {
        const { sql, place, values } = event;
        const database =
          dump.dialect === "mysql" ? usedDatabase(sql.toString("utf8", 0, 300)) : undefined;
        if (database !== undefined) yield { kind: "connect", database, place };
        else yield { kind: "statement", sql, place, effect: effects.effectOf(sql, values) };
        break;
      }
      case "copy": {
        const { sql, place } = event;
        const isPlain = effects instanceof PostgresEffects && effects.isPlainCopy(sql);
        const table = rowsTable(sql, "postgres") ?? "?";
        const rows = new CopiedRows(events, dump.path);
        yield { kind: "copy", sql, table, place, isPlain, rows: rows.read() };
        rows.assertRead();
        break;
      }
      case "connect":
        yield { kind: "connect", database: event.database, place: event.place };
        break;
      case "refusal":
        throw refusedDump(dump.path, event);
      case "damage":
        throw damagedDump(dump.path, describeDamage({ ...event.damage, lastTable: null }));
      case "comment":
        break;
      case "rows":
      case "copy-end":
        throw new TypeError("Cannot read a dump: rows came without a COPY");
      default:
        unreachable(event);
    }
  }
}

/** The rows of one COPY, taken from the events that follow it. */
class CopiedRows {
  readonly #events: AsyncGenerator<ScriptEvent>;
  readonly #path: string;
  #isRead = false;

  constructor(events: AsyncGenerator<ScriptEvent>, path: string) {
    this.#events = events;
    this.#path = path;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { value, done } = await this.#events.next();
      if (done === true) throw new TypeError("Cannot read a dump: a COPY has no end");
      const event: ScriptEvent = value;
      if (event.kind === "rows") yield event.bytes;
      else if (event.kind === "damage")
        throw damagedDump(this.#path, describeDamage({ ...event.damage, lastTable: null }));
      else break;
    }
    this.#isRead = true;
  }

  assertRead(): void {
    if (!this.#isRead) throw new TypeError("Cannot read a dump on: rows of a COPY were left");
  }
}
