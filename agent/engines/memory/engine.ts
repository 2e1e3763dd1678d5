import { DbctlError } from "../../../core/errors.ts";
import type * as port from "../engine.ts";
import {
  checkHead,
  type JournalHead,
  restoreRuns,
  unfinishedObject,
  unfinishedRestore,
} from "../restore-journal.ts";

/** A database server that lives in this process: tables with rows of text, nothing else. */
export interface MemoryServer {
  instance: string;
  databases: Map<string, MemoryDatabase>;
  /** Sessions that are open now. */
  sessions: number;
}

export interface MemoryDatabase {
  tables: Map<string, string[]>;
  /** What the engine does not know: its names come back as unsupported objects. */
  oddities: string[];
  /** Of a restore that is not finished. */
  journal?: { head: JournalHead; done: Set<string>; held: boolean };
}

export function createMemoryServer(): MemoryServer {
  return { instance: "memory-1", databases: new Map(), sessions: 0 };
}

export function createMemoryDatabase(tables: Record<string, string[]> = {}): MemoryDatabase {
  return { tables: new Map(Object.entries(tables)), oddities: [] };
}

/** Rows in a part. Small, so that tests have several. */
const rowsPerPart = 100;

/** The engine port over a `MemoryServer`, for tests of all that stands above the port. */
export function createMemoryEngine(server: MemoryServer, database: string): port.Engine {
  let pinned: MemoryDatabase | undefined;
  return {
    probe: async ({ signal }) => {
      signal.throwIfAborted();
      find(server, database);
      const { instance } = server;
      return { flavour: "memory", version: "1", instance, host: "here", database, settings: {} };
    },
    listDatabases: async () =>
      [...server.databases].map(([name, { tables }]) => ({ name, size: tables.size })),
    openSnapshot: async ({ startReaders, signal }) => {
      signal.throwIfAborted();
      pinned = copy(find(server, database));
      await startReaders({ kind: "memory" });
      return new MemorySnapshot(server, pinned);
    },
    openReader: async () => new MemoryReader(server, pinned ?? find(server, database)),
    prepareTarget: async ({ origin }, { create, resume = false }) =>
      resume ? takeOver(server, database, origin) : prepare(server, database, { create, origin }),
    openLoader: async () => new MemoryLoader(server, find(server, database)),
  };
}

function find(server: MemoryServer, name: string): MemoryDatabase {
  const database = server.databases.get(name);
  if (database !== undefined) return database;
  throw new DbctlError("database-unknown", `Cannot open database "${name}": there is none`, {
    remedy: `Choose one of: ${[...server.databases.keys()].join(", ")}`,
  });
}

function copy({ tables, oddities, journal }: MemoryDatabase): MemoryDatabase {
  const rows = [...tables].map(([name, all]): [string, string[]] => [name, [...all]]);
  const kept = journal === undefined ? {} : { journal };
  return { tables: new Map(rows), oddities: [...oddities], ...kept };
}

function prepare(
  server: MemoryServer,
  name: string,
  { create, origin }: { create: boolean; origin: port.RestoreOrigin | undefined },
): port.PreparedTarget {
  const existing = server.databases.get(name);
  if (create && existing !== undefined)
    throw new DbctlError("target-exists", `Cannot create database "${name}": it exists`, {
      remedy: "Name another target, or restore without --create into an empty one",
    });
  const found = create ? createMemoryDatabase() : find(server, name);
  if (found.journal !== undefined) throw unfinishedRestore(name, found.journal.head);
  if (found.tables.size > 0)
    throw new DbctlError("target-not-empty", `Cannot restore into "${name}": it is not empty`, {
      remedy: "Name an empty database, or create a new one with --create",
    });
  server.databases.set(name, found);
  if (origin !== undefined)
    found.journal = { head: { origin, created: create }, done: new Set(), held: true };
  return prepared(server, name, create);
}

function takeOver(
  server: MemoryServer,
  name: string,
  origin: port.RestoreOrigin | undefined,
): port.PreparedTarget {
  const { journal } = find(server, name);
  const { created } = checkHead(journal?.head, { origin, target: name });
  if (journal?.held === true) throw restoreRuns(name);
  if (journal !== undefined) journal.held = true;
  return prepared(server, name, created);
}

function prepared(server: MemoryServer, name: string, created: boolean): port.PreparedTarget {
  const database = find(server, name);
  return {
    done: new Set(database.journal?.done),
    created,
    undo: async () => {
      if (created) server.databases.delete(name);
    },
    finish: async () => {
      delete database.journal;
    },
    [Symbol.asyncDispose]: async () => {
      if (database.journal !== undefined) database.journal.held = false;
    },
  };
}

class MemorySession implements AsyncDisposable {
  readonly #server: MemoryServer;
  #open = true;

  constructor(server: MemoryServer) {
    this.#server = server;
    server.sessions++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) this.#server.sessions--;
    this.#open = false;
  }
}

class MemorySnapshot implements port.Snapshot {
  readonly position = { at: "here" };
  readonly #session: MemorySession;
  readonly #view: MemoryDatabase;

  constructor(server: MemoryServer, view: MemoryDatabase) {
    this.#session = new MemorySession(server);
    this.#view = view;
  }

  async listObjects(): Promise<port.ObjectList> {
    const objects = [...this.#view.tables.keys()].map((name) => ({
      kind: "table",
      name,
      section: "pre-data" as const,
      statements: [name],
    }));
    const remedy = "Leave it out";
    const unsupported = this.#view.oddities.map((name) => ({ kind: "oddity", name, remedy }));
    if (this.#view.journal !== undefined) unsupported.push(unfinishedObject);
    return { objects, unsupported, requires: [] };
  }

  async listTables(): Promise<port.TableData[]> {
    const names = [...this.#view.tables.keys()];
    const rest = { columns: ["line"], format: "memory-lines", details: null };
    return names.map((name) => ({ schema: "main", name, ...rest }));
  }

  async cutParts(table: port.TableData): Promise<port.Part[]> {
    const rows = this.#view.tables.get(table.name)?.length ?? 0;
    const count = Math.ceil(rows / rowsPerPart);
    return Array.from({ length: count }, (_, n) => ({
      table,
      range: n * rowsPerPart,
      estimate: 1,
    }));
  }

  async assertAlive(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

class MemoryReader extends MemorySession implements port.PartReader {
  readonly #view: MemoryDatabase;

  constructor(server: MemoryServer, view: MemoryDatabase) {
    super(server);
    this.#view = view;
  }

  async readPart(
    { table, range }: port.Part,
    sink: Parameters<port.PartReader["readPart"]>[1],
    { signal }: port.Waiting,
  ): Promise<void> {
    const from = Number(range);
    for (const row of this.#view.tables.get(table.name)?.slice(from, from + rowsPerPart) ?? []) {
      if (sink.full) await sink.drained({ signal });
      signal.throwIfAborted();
      sink.pushRow(Buffer.from(`${row}\n`));
    }
  }
}

class MemoryLoader extends MemorySession implements port.Loader {
  readonly #database: MemoryDatabase;

  constructor(server: MemoryServer, database: MemoryDatabase) {
    super(server);
    this.#database = database;
  }

  async build({ statements }: port.SchemaObject, { step }: port.LoadOptions): Promise<void> {
    this.#record(step);
    for (const name of statements) this.#database.tables.set(name, []);
  }

  async load(
    table: port.TableData,
    bytes: AsyncIterable<Uint8Array>,
    { step }: port.LoadOptions,
  ): Promise<number> {
    const pieces = await Array.fromAsync(bytes, (piece) => Buffer.from(piece));
    const text = Buffer.concat(pieces).toString();
    const rows = text.split("\n").slice(0, -1);
    this.#record(step);
    this.#database.tables.get(table.name)?.push(...rows);
    return rows.length;
  }

  #record(step: string | undefined): void {
    const done = this.#database.journal?.done;
    if (step === undefined || done === undefined) return;
    if (done.has(step))
      throw new DbctlError("engine-refused", `Cannot do ${step}: it is done already`, {
        remedy: "Do it once",
      });
    done.add(step);
  }
}
