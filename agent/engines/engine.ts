/**
 * The engine port: what dbctl needs from a database product. One folder per adapter, the same file
 * names in each; `engine-contract.ts` holds these promises as tests.
 *
 * Every method that waits takes a signal and ends soon after it aborts, also while the server is
 * silent: the adapter destroys its connection. What is disposed leaves nothing on the server: no
 * session, lock or setting. Errors are `DbctlError`s (`engine-unreachable`, `engine-denied`,
 * `database-unknown`, `engine-refused`, …) with a remedy. The server is untrusted: every length it
 * announces is bounded.
 */
import type { RowSink } from "../pipeline/row-sink.ts";

/** One server and one database of it, as a URL names them. */
export interface Engine {
  /** Facts of the server and the database; fails when the database does not exist. */
  probe(options: Waiting): Promise<ServerFacts>;

  /**
   * Every database of the server that can be connected to, by name; those that the product itself
   * lives on are left out. Sizes are rough.
   */
  listDatabases(options: Waiting): Promise<DatabaseSize[]>;

  /**
   * One consistent view for all readers. `startReaders` is called once, while the view is pinned;
   * when it resolves, every reader that was opened with the ticket sees exactly that view. A lost
   * leader connection makes `assertAlive` reject.
   */
  openSnapshot(options: SnapshotOptions): Promise<Snapshot>;

  /** A reader of the snapshot, usually on another thread than the snapshot's own. */
  openReader(ticket: SnapshotTicket, options: Waiting): Promise<PartReader>;

  /**
   * Makes the target ready: with `create` the database is created (`target-exists` when it is
   * there), without it must exist and be empty (`target-not-empty`, naming what is in it). Checks
   * everything that can be checked before data moves (missing roles, privileges, `LOCAL INFILE`).
   *
   * When the plan has an origin, the target gets a journal of the restore. With `resume` the target
   * must have the journal of an unfinished restore of the same origin (`restore-unknown`,
   * `target-changed`), at which nobody else works (`busy`): what the cut left half done is taken
   * back first, and `create` is not looked at.
   */
  prepareTarget(plan: RestorePlan, options: PrepareOptions): Promise<PreparedTarget>;

  /** A session that builds objects and loads parts; one per thread. */
  openLoader(options: Waiting): Promise<Loader>;
}

export interface Waiting {
  signal: AbortSignal;
}

export interface DatabaseSize {
  name: string;
  /** Bytes; 0 where the account may not know. */
  size: number;
}

export interface ServerFacts {
  /** `postgres`, `mariadb` or `mysql`: who really answered. */
  flavour: string;
  /** As the server says it, for example `15.8` or `10.11.6-MariaDB`. */
  version: string;
  /** The server's own lasting id (system identifier, server uid or uuid), fit for an object key. */
  instance: string;
  /** Where it was reached, for people: host name, or the socket's host. */
  host: string;
  database: string;
  /** Settings that matter for a restore: encoding, collation, time zone, sql_mode, … */
  settings: Record<string, string>;
}

export interface SnapshotOptions extends Waiting {
  startReaders: (ticket: SnapshotTicket) => Promise<unknown>;
}

/** What a reader needs to join a snapshot. Plain data: it crosses threads. */
export type SnapshotTicket =
  | { kind: "postgres"; snapshot: string }
  /** The leader holds the server still while readers begin: `START TRANSACTION … SNAPSHOT`. */
  | { kind: "mysql" }
  | { kind: "memory" };

export interface Snapshot extends AsyncDisposable {
  /** Where in the server's log the view is: `{ lsn }`, or `{ gtid, file, offset }`. */
  readonly position: Record<string, string>;
  /**
   * Every object of the database, in an order in which the statements of one section can run.
   * Complete by enumerating the catalog: what the engine does not know is in `unsupported`.
   */
  listObjects(): Promise<ObjectList>;
  /** Every table that has rows of its own (leaf partitions, not their parents). */
  listTables(): Promise<TableData[]>;
  /** Cuts a table of this snapshot into parts of about 64 MB that together hold each row once. */
  cutParts(table: TableData): Promise<Part[]>;
  /** Rejects when the view was lost. Called once more before a backup is committed. */
  assertAlive(): Promise<void>;
}

/** Sections run in this order; `index` and `validation` statements may run in parallel. */
export const sections = [
  "pre-data",
  "data",
  "index",
  "constraint",
  "foreign-key",
  "validation",
  "post-data",
] as const;

export type Section = Exclude<(typeof sections)[number], "data">;

export interface SchemaObject {
  /** The catalog's word: `table`, `view`, `function`, `grant`, … */
  kind: string;
  /** Full name for people, unique together with kind and section: `public.orders`. */
  name: string;
  section: Section;
  /** Run one by one, on one session, as they are. A failing one fails the restore. */
  statements: string[];
  /** Relative cost of a build in bytes; the largest are started first. */
  cost?: number;
  /** The server ends it by itself when its time has come: it may be gone right after its build. */
  mayEnd?: boolean;
}

export interface UnsupportedObject {
  kind: string;
  name: string;
  /** What a person can do about it. */
  remedy: string;
}

export interface ObjectList {
  objects: SchemaObject[];
  unsupported: UnsupportedObject[];
  /** Roles, extensions, collations, … that a target must have: kind and name. */
  requires: { kind: string; name: string }[];
}

/** A table's data, as the manifest keeps it. Plain data. */
export interface TableData {
  schema: string;
  name: string;
  /** The columns whose values are copied, in order. Generated ones are not among them. */
  columns: string[];
  /** How rows are written in chunks; the engine's README describes each. */
  format: string;
  /** What else the adapter needs to read or load this table again. Plain data, opaque to others. */
  details: Json;
}

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A piece of one table. Plain data. */
export interface Part {
  table: TableData;
  /** Which rows; opaque to others. */
  range: Json;
  /** Bytes, roughly: for order and progress only. */
  estimate: number;
}

export interface PartReader extends AsyncDisposable {
  /**
   * Sends every row of the part to the sink, and only when the server confirmed that all were
   * sent, resolves. Waits while the sink is full.
   */
  readPart(part: Part, sink: RowSink, options: Waiting): Promise<void>;
}

/** What the restore knows of the backup before it touches the target. */
export interface RestorePlan {
  facts: ServerFacts;
  list: ObjectList;
  tables: TableData[];
  /** Of which backup; without it no journal is kept, and the restore cannot be gone on with. */
  origin?: RestoreOrigin;
}

/** What is restored, to the bit. */
export interface RestoreOrigin {
  repository: string;
  backup: string;
  /** SHA-256 of the sealed body of the manifest, hexadecimal. */
  content: string;
}

export interface PrepareOptions extends Waiting {
  create: boolean;
  resume?: boolean;
}

/** A target that is being restored into; when it is disposed, others may go on there. */
export interface PreparedTarget extends AsyncDisposable {
  /** Steps that earlier attempts have finished, each whole. */
  readonly done: ReadonlySet<string>;
  /** Whether the restore, in this attempt or an earlier one, has created the database. */
  readonly created: boolean;
  /** Drops a database that the restore created, and only that. */
  undo(options: Waiting): Promise<void>;
  /** Drops the journal: nothing is left to go on with. */
  finish(options: Waiting): Promise<void>;
}

export interface LoadOptions extends Waiting {
  /**
   * Recorded as done in the target's journal if, and only if, what was asked for is done: whatever
   * is cut when. A step that is done already is an error, and changes nothing.
   */
  step?: string;
}

export interface Loader extends AsyncDisposable {
  /** Runs the object's statements; any error is an error and names the object. */
  build(object: SchemaObject, options: LoadOptions): Promise<void>;
  /**
   * Loads a part's bytes, cut anywhere, in one transaction: all rows or none. Resolves with the
   * rows that the server says it has taken. A piece may be used until the one after the next is
   * asked for, so one write may be on its way while the next piece is made.
   */
  load(table: TableData, bytes: AsyncIterable<Uint8Array>, options: LoadOptions): Promise<number>;
}
