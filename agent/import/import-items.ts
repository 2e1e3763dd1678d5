import { basename } from "node:path";
import { DbctlError } from "../../core/errors.ts";
import { unreachable } from "../../core/unreachable.ts";
import { retryDeadlocks } from "../engines/retry-deadlocks.ts";
import type { ScriptSession, ScriptStatement, ScriptTarget } from "../engines/script-target.ts";
import { type DatabaseNames, isSystemDatabase } from "./database-names.ts";
import { ImportLanes } from "./import-lanes.ts";
import { describePlace } from "./refused-dump.ts";
import { cutRows, type RowPiece } from "./row-pieces.ts";
import type { Dialect, ImportItem, Place } from "./statement.ts";

export interface Importing {
  /** The dump's path, for messages. */
  path: string;
  dialect: Dialect;
  target: ScriptTarget;
  /** Where the import begins; null when the dump has to say so first. */
  database: string;
  names: DatabaseNames;
  jobs: number;
  /** Why a statement is not to be run; undefined for one that is. */
  whyNot: (statement: string) => string | undefined;
  signal: AbortSignal;
}

export interface Imported {
  statements: number;
  rows: number;
  /** Statements that were not run on purpose, by why. */
  leftOut: Record<string, number>;
}

/** Bytes of rows that are loaded by one COPY. */
const pieceBytes = 8 << 20;
/** Small INSERTs that are run together. */
const gatheredBytes = 256 << 10;
const mostGathered = 500;
/** What is looked at of a statement to tell whether it is wanted. */
const headBytes = 4000;

/** Runs what a dump holds, in its order where that matters, and stops at the first failure. */
export async function importItems(
  items: AsyncIterable<ImportItem>,
  importing: Importing,
): Promise<Imported> {
  await using run = new ImportRun(importing);
  await run.open(importing.database);
  for await (const item of items) await run.take(item);
  await run.settle();
  return run.imported;
}

class ImportRun implements AsyncDisposable {
  readonly imported: Imported = { statements: 0, rows: 0, leftOut: {} };
  readonly #importing: Importing;
  #lanes: ImportLanes = new ImportLanes([]);
  #gathered: { table: string; statements: ScriptStatement[]; bytes: number } | undefined;
  /** The dump is at a database that is not imported. */
  #isPassing = false;

  constructor(importing: Importing) {
    this.#importing = importing;
  }

  /** Goes on in another database. */
  async open(database: string): Promise<void> {
    await this.#lanes.settle();
    await this.#lanes[Symbol.asyncDispose]();
    const { target, jobs, signal } = this.#importing;
    await using stack = new AsyncDisposableStack();
    const sessions: ScriptSession[] = [];
    for (let n = 0; n < jobs; n++)
      sessions.push(stack.use(await target.openSession({ database, signal })));
    this.#lanes = new ImportLanes(sessions);
    stack.move();
  }

  async take(item: ImportItem): Promise<void> {
    if (item.kind !== "statement" || item.effect.kind !== "rows") await this.#flush();
    switch (item.kind) {
      case "connect":
        return await this.#connect(item.database);
      case "copy":
        return await this.#copy(item);
      case "statement":
        return await this.#takeStatement(item);
      default:
        return unreachable(item);
    }
  }

  async settle(): Promise<void> {
    await this.#flush();
    await this.#lanes.settle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lanes[Symbol.asyncDispose]();
  }

  /** psql connects anew; mysql keeps its session, and what was set there. */
  async #connect(database: string): Promise<void> {
    const { dialect, names, signal } = this.#importing;
    this.#isPassing = isSystemDatabase(dialect, database);
    if (this.#isPassing) return;
    const target = names.targetOf(database);
    if (dialect === "postgres") return await this.open(target);
    const use = Buffer.from(`USE \`${target.replaceAll("`", "``")}\``);
    const act = `use database ${target}`;
    await this.#lanes.everywhere((session) => session.run(use, { act, signal }));
  }

  async #takeStatement(item: ImportItem & { kind: "statement" }): Promise<void> {
    const { effect, place } = item;
    const why = this.#whyNot(item);
    const sql = why === undefined ? this.#importing.names.rewrite(item.sql) : undefined;
    if (sql === undefined) return this.#leaveOut(why ?? "the database is made by the import");
    this.imported.statements++;
    const run = (session: ScriptSession) => this.#run(session, sql, place);
    switch (effect.kind) {
      case "session":
        return await this.#lanes.everywhere(run);
      case "rows":
        this.imported.rows += effect.rows;
        return await this.#gather(effect.table, { sql, act: this.#describe(sql, place) });
      case "table":
        return await this.#lanes.begin(effect, (session) => this.#retry(() => run(session)));
      case "any":
        return await this.#lanes.alone(run);
      case "left-out":
        return;
      default:
        return unreachable(effect);
    }
  }

  /** Small INSERTs are run together, as each by itself would wait for the disk. */
  async #gather(table: string, statement: ScriptStatement): Promise<void> {
    if (this.#gathered?.table !== table) await this.#flush();
    this.#gathered ??= { table, statements: [], bytes: 0 };
    this.#gathered.statements.push(statement);
    this.#gathered.bytes += statement.sql.length;
    const { bytes, statements } = this.#gathered;
    if (bytes >= gatheredBytes || statements.length >= mostGathered) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#gathered === undefined) return;
    const { table, statements } = this.#gathered;
    this.#gathered = undefined;
    const { signal } = this.#importing;
    const run = (session: ScriptSession) => session.runAll(statements, { signal });
    await this.#lanes.begin({ kind: "rows", table }, run);
  }

  #whyNot({ sql, effect }: ImportItem & { kind: "statement" }): string | undefined {
    if (effect.kind === "left-out") return effect.why;
    if (this.#isPassing && effect.kind !== "session") return "it is for a system database";
    return this.#importing.whyNot(sql.toString("utf8", 0, headBytes));
  }

  #leaveOut(why: string): void {
    const { leftOut } = this.imported;
    leftOut[why] = (leftOut[why] ?? 0) + 1;
  }

  #run(session: ScriptSession, sql: Buffer, place: Place): Promise<void> {
    const { signal } = this.#importing;
    return session.run(sql, { act: this.#describe(sql, place), signal });
  }

  async #copy(item: ImportItem & { kind: "copy" }): Promise<void> {
    this.imported.statements++;
    const { rows, table, isPlain } = item;
    if (!isPlain || this.#lanes.count === 1)
      return await this.#lanes.alone(async (session) => {
        await this.#load(session, item, rows);
      });
    for await (const piece of cutRows(rows, pieceBytes)) {
      const load = async (session: ScriptSession) => {
        await this.#load(session, item, piece.bytes);
      };
      if (piece.isHeld) await this.#lanes.begin({ kind: "rows", table }, load);
      else await this.#lanes.alone(load);
    }
  }

  async #load(
    session: ScriptSession,
    { sql, place }: ImportItem & { kind: "copy" },
    rows: RowPiece["bytes"],
  ): Promise<void> {
    const { signal } = this.#importing;
    const act = this.#describe(sql, place);
    const taken = await session.copy(sql, { act, rows, signal });
    this.imported.rows += taken;
  }

  /** Sessions side by side may meet in a deadlock; a statement that did has changed nothing. */
  #retry(run: () => Promise<void>): Promise<void> {
    const { signal } = this.#importing;
    const isDeadlock = (error: unknown) =>
      error instanceof DbctlError && error.code === "busy" && error.retryable;
    return retryDeadlocks(run, { isDeadlock, signal });
  }

  /** `run line 12 of dump.sql (CREATE TABLE …)`. */
  #describe(sql: Buffer, place: Place): string {
    const start = sql.toString("utf8", 0, 160).replaceAll(/\s+/g, " ").slice(0, 80);
    const more = sql.length > start.length ? " …" : "";
    return `run ${describePlace(place)} of ${basename(this.#importing.path)} (${start}${more})`;
  }
}
