import type { Waiting } from "./engine.ts";

/**
 * The port for running statements that others have written: a database product as an import of a
 * dump needs it. Errors are the engine's, as in `engine.ts`.
 */
export interface ScriptTarget {
  /** Who would run the statements, and where; asked beside the database, which may not exist yet. */
  inspect(options: Waiting): Promise<ScriptServer>;
  /** A session in one database, set up as the product's own client would find it. */
  openSession(options: { database: string } & Waiting): Promise<ScriptSession>;
}

export interface ScriptServer {
  /** `postgres`, `mariadb` or `mysql`. */
  flavour: string;
  version: string;
  user: string;
  /** Whether the user may do what reaches beyond databases of its own. */
  isSuperuser: boolean;
  /** Roles that are there, where the product's dumps make roles. */
  roles: ReadonlySet<string>;
  /** Bytes of the longest statement that the server takes. */
  statementLimit: number;
}

export interface RunOptions extends Waiting {
  /** Completes "Cannot …". */
  act: string;
}

export interface ScriptStatement {
  sql: Uint8Array;
  /** Completes "Cannot …". */
  act: string;
}

export interface ScriptSession extends AsyncDisposable {
  /**
   * Runs one statement, given as bytes; the server refuses several in one. Rows of its result are
   * dropped. A warning that data did not fit is an error.
   */
  run(sql: Uint8Array, options: RunOptions): Promise<void>;
  /**
   * Runs statements that only add rows to one table, together: all or none, where its engine knows
   * transactions. Begins again after a deadlock. An error names the statement that failed.
   */
  runAll(statements: readonly ScriptStatement[], options: Waiting): Promise<void>;
  /** Runs a COPY … FROM STDIN with its rows. Gives how many the server has taken. */
  copy(sql: Uint8Array, options: RunOptions & { rows: AsyncIterable<Uint8Array> }): Promise<number>;
}
