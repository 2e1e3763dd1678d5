/**
 * What every reader of a foreign dump makes of its file, so that one use case runs them all: a
 * report of the whole file, read before anything runs, and then the things to do, in order.
 */

/** Where something begins in the expanded text. */
export interface Place {
  /** Of an archive: the number of its entry, whose own lines and bytes are counted. */
  entry?: number;
  /** From 1. */
  line: number;
  /** From 0. */
  byte: number;
}

/**
 * One thing to do. The reader's next item may only be asked for once the rows of a `copy` were read
 * to their end.
 */
export type ImportItem =
  | {
      kind: "statement";
      /** One statement without its delimiter, as bytes: a dump may hold text of any encoding. */
      sql: Buffer;
      place: Place;
      effect: Effect;
    }
  | {
      kind: "copy";
      /** `COPY table (columns) FROM stdin`, without its delimiter. */
      sql: Buffer;
      table: string;
      place: Place;
      /** The rows as they stand, cut anywhere, without the closing `\.` line. */
      rows: AsyncIterable<Uint8Array>;
      /**
       * Text format without options, and nothing sees the rows while they come: they may be cut at
       * their ends and loaded as several COPYs, beside rows of other tables.
       */
      isPlain: boolean;
    }
  /** What follows belongs to this database: `\connect`, `USE`. */
  | { kind: "connect"; database: string; place: Place };

/** What a statement may change, which decides beside what it may run. */
export type Effect =
  /** Settings of the session: run on every session, in order with what that session runs. */
  | { kind: "session" }
  /** Rows are added to one table, `rows` of them; nothing else is read or changed. */
  | { kind: "rows"; table: string; rows: number }
  /** One table is changed, and nothing that statements on other tables could see. */
  | { kind: "table"; table: string }
  /** Anything: runs alone, after all before it and before all after it. */
  | { kind: "any" }
  /** Is not run, on purpose: `why` it is left out. */
  | { kind: "left-out"; why: string };

export interface Reading {
  signal: AbortSignal;
  /** Told how many bytes of the file were read since the last time. */
  onRead?: (bytes: number) => void;
}

/** A dump that can be read again from its beginning, as often as it takes. */
export interface ImportSource {
  /** How many bytes there are to read; for progress only. */
  readonly fileBytes: number;
  /**
   * Looks at the whole dump without running anything. Damage is part of the report, no rejection.
   * `deep` also expands what a table of contents makes it possible to pass over.
   */
  survey(options: Reading & { deep?: boolean }): Promise<Survey>;
  /** The things to do. Rejects with `dump-damaged` where the dump is damaged or cut short. */
  items(options: Reading): AsyncGenerator<ImportItem>;
}

export interface Survey {
  /** `sql`, or the archive's format: `pg-custom`, `pg-directory`, `pg-tar`. */
  format: string;
  compression: "none" | "gzip" | "zstd" | "lz4";
  dialect: Dialect;
  /** `pg_dump`, `mariadb-dump`, … and its version; null where the file does not say. */
  tool: string | null;
  toolVersion: string | null;
  serverVersion: string | null;
  /** What the dump says of its source beside objects: GTIDs, binary log position, encoding. */
  facts: Record<string, string>;
  /** Databases that the dump names by `\connect` or `USE`, in order, each once. */
  databases: string[];
  /** Tables with rows of their own, in order. */
  tables: TableRows[];
  /** Whether rows were counted; else every table has 0. */
  hasRows: boolean;
  statements: number;
  /** The longest statement, without the rows of a COPY; null when there is none. */
  longest: { bytes: number; place: Place } | null;
  /** Every CREATE DATABASE of the dump, as it is written. */
  created: string[];
  /** Bytes of the file, and of the text in it. */
  fileBytes: number;
  bytes: number;
  lines: number;
  /** What forbids to run any of it: client commands (`\!`, `source`, …), as a phrase. */
  refusals: Refusal[];
  /** The first damage; null when the dump is whole. */
  damage: Damage | null;
}

export interface TableRows {
  /** As the dump writes it; names are unique together with the database. */
  name: string;
  /** Where the dump has said so. */
  database: string | null;
  rows: number;
  place: Place;
}

export interface Refusal {
  what: string;
  place: Place;
  /** What to do about it, when a dump tool writes such a thing. */
  remedy?: string;
}

export type Dialect = "postgres" | "mysql";

export interface Damage {
  /** `truncated`: the dump ends too early. */
  kind: "truncated" | "damaged";
  /** A sentence without its full stop. */
  what: string;
  place: Place;
  /** The last table whose rows were complete before the damage; null when there is none. */
  lastTable: string | null;
}
