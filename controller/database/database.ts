import Connection from "libsql/promise";
import { DbctlError } from "../../core/errors.ts";

export type Value = string | number | bigint | null;
/** A row by column names. Integers are numbers, as far as they are exact. */
export type Row = Record<string, Value>;

/**
 * The catalog's database. Statements run one after the other; keep each small, as a long one holds
 * the event loop. A transaction has the database to itself and is rolled back when its work throws.
 */
export interface Db {
  /** All rows of one statement; `:name` parameters. */
  all(sql: string, parameters?: Record<string, Value>): Promise<Row[]>;
  /** The one row, or undefined. */
  one(sql: string, parameters?: Record<string, Value>): Promise<Row | undefined>;
  /** Runs one statement; gives the count of changed rows. */
  run(sql: string, parameters?: Record<string, Value>): Promise<number>;
  /** Several statements, without parameters. */
  script(sql: string): Promise<void>;
  transaction<T>(work: (db: Db) => Promise<T>): Promise<T>;
}

interface Statement {
  all(parameters: Record<string, Value>): Promise<Row[]>;
  run(parameters: Record<string, Value>): Promise<{ changes: number }>;
}
interface Handle {
  exec(sql: string): Promise<void>;
  prepare(sql: string): Promise<Statement>;
  close(): void;
}

/** Opens a libsql file; WAL, foreign keys on, waits up to 10 s for another process's lock. */
export async function openDatabase(path: string): Promise<Db & AsyncDisposable> {
  try {
    const handle = new Connection(path, {}) as unknown as Handle;
    await handle.exec(
      `pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
       pragma busy_timeout = 10000;`,
    );
    return new Database(handle);
  } catch (cause) {
    throw new DbctlError("system-failed", `Cannot open the catalog ${path}: ${String(cause)}`, {
      remedy: "Check the folder's rights and its disk; the catalog is one file",
      cause,
    });
  }
}

class Database implements Db, AsyncDisposable {
  readonly #handle: Handle;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  all(sql: string, parameters: Record<string, Value> = {}): Promise<Row[]> {
    return this.#inTurn(() => all(this.#handle, sql, parameters));
  }

  async one(sql: string, parameters: Record<string, Value> = {}): Promise<Row | undefined> {
    return (await this.all(sql, parameters))[0];
  }

  run(sql: string, parameters: Record<string, Value> = {}): Promise<number> {
    return this.#inTurn(() => run(this.#handle, sql, parameters));
  }

  script(sql: string): Promise<void> {
    return this.#inTurn(() => this.#handle.exec(sql));
  }

  transaction<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const handle = this.#handle;
      await handle.exec("begin immediate");
      try {
        const result = await work(inside(handle));
        await handle.exec("commit");
        return result;
      } catch (error) {
        await handle.exec("rollback");
        throw error;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inTurn(() => Promise.resolve(this.#handle.close()));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** The database as a transaction's work sees it: it has the turn already. */
function inside(handle: Handle): Db {
  const db: Db = {
    all: (sql, parameters = {}) => all(handle, sql, parameters),
    one: async (sql, parameters = {}) => (await all(handle, sql, parameters))[0],
    run: (sql, parameters = {}) => run(handle, sql, parameters),
    script: (sql) => handle.exec(sql),
    transaction: (work) => work(db),
  };
  return db;
}

async function all(handle: Handle, sql: string, parameters: Record<string, Value>): Promise<Row[]> {
  const statement = await handle.prepare(sql);
  return await statement.all(parameters);
}

async function run(
  handle: Handle,
  sql: string,
  parameters: Record<string, Value>,
): Promise<number> {
  const statement = await handle.prepare(sql);
  return (await statement.run(parameters)).changes;
}
