/** For tests: a scratch server with databases of our own, and copies made through the port alone. */
import assert from "node:assert/strict";
import { type MariadbServer, startMariadb } from "../../../integration/fixtures/mariadb-server.ts";
import { addSums, emptySums, RowChunker, type RowSums } from "../../pipeline/row-chunker.ts";
import {
  type Engine,
  type ObjectList,
  type PartReader,
  sections,
  type Snapshot,
} from "../engine.ts";
import { createMysqlEngine } from "./engine.ts";
import { type Login, openSession, type Row, type Session } from "./session.ts";
import { parseMysqlTarget } from "./target.ts";

const { signal } = new AbortController();
const key = Buffer.alloc(16, 7);

export interface Scratch extends AsyncDisposable {
  server: MariadbServer;
  /** A session of root without a database. */
  root: Session;
  login(database: string): Login;
  engine(database: string): Engine;
  /** Runs statements in a new session of a database. */
  run(database: string, statements: string[]): Promise<void>;
  rows(database: string, sql: string): Promise<Row[]>;
}

export async function openScratch(settings: Record<string, string> = {}): Promise<Scratch> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startMariadb(settings));
  const login = (database: string) => ({
    target: parseMysqlTarget(server.url(encodeURIComponent(database))),
    password: undefined,
  });
  const root = stack.use(await openSession(login("mysql"), { signal, database: null }));
  const owned = stack.move();
  return {
    server,
    root,
    login,
    engine: (database) => createMysqlEngine(login(database)),
    run: async (database, statements) => {
      await using session = await openSession(login(database), { signal });
      for (const sql of statements) await session.execute(sql, { signal });
    },
    rows: async (database, sql) => {
      await using session = await openSession(login(database), { signal });
      return await session.query(sql, { signal });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export interface View extends AsyncDisposable {
  snapshot: Snapshot;
  readers: PartReader[];
}

/** A snapshot with readers. */
export async function openView(engine: Engine, count: number): Promise<View> {
  await using stack = new AsyncDisposableStack();
  const readers: PartReader[] = [];
  const startReaders = async (ticket: Parameters<Engine["openReader"]>[0]) => {
    for (let n = 0; n < count; n++)
      readers.push(stack.use(await engine.openReader(ticket, { signal })));
  };
  const snapshot = stack.use(await engine.openSnapshot({ startReaders, signal }));
  const owned = stack.move();
  return { snapshot, readers, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

export interface TableRows {
  chunks: Uint8Array[];
  sums: RowSums;
}

/** Reads every table of a view, part by part. */
export async function readTables(view: View): Promise<Map<string, TableRows>> {
  const tables = new Map<string, TableRows>();
  for (const table of await view.snapshot.listTables()) {
    const chunks: Uint8Array[] = [];
    let sums = emptySums;
    for (const part of await view.snapshot.cutParts(table)) {
      const add = (chunk: Uint8Array) => void chunks.push(Uint8Array.from(chunk));
      const rows = new RowChunker({ add, full: false, drained: () => Promise.resolve() }, key);
      rows.beginPart();
      await view.readers[0]?.readPart(part, rows, { signal });
      sums = addSums(sums, rows.endPart());
    }
    tables.set(table.name, { chunks, sums });
  }
  await view.snapshot.assertAlive();
  return tables;
}

/** Copies a database as backup and restore do, and proves that the copy has the same rows. */
export async function copyDatabase(from: Engine, to: Engine): Promise<ObjectList> {
  await using view = await openView(from, 1);
  const list = await view.snapshot.listObjects();
  assert.deepEqual(list.unsupported, []);
  const tables = await view.snapshot.listTables();
  const facts = await from.probe({ signal });
  const content = await readTables(view);
  await to.prepareTarget({ facts, list, tables }, { create: true, signal });
  await using loader = await to.openLoader({ signal });
  for (const section of sections) {
    if (section === "data") {
      for (const table of tables) {
        const { chunks = [], sums = emptySums } = content.get(table.name) ?? {};
        const bytes = ReadableStream.from(chunks);
        assert.equal(BigInt(await loader.load(table, bytes, { signal })), sums.rows, table.name);
      }
    }
    for (const object of list.objects.filter((one) => one.section === section))
      await loader.build(object, { signal });
  }
  await using copy = await openView(to, 1);
  const sumsOf = (all: Map<string, TableRows>) => [...all].map(([name, { sums }]) => [name, sums]);
  assert.deepEqual(sumsOf(await readTables(copy)), sumsOf(content));
  assert.deepEqual(lasting(await copy.snapshot.listObjects(), list), lasting(list, list));
  return list;
}

/** What a copy must have, too: all but the name of the database, and events whose time is over. */
function lasting({ objects }: ObjectList, { objects: source }: ObjectList) {
  const ends = new Set(source.filter(({ mayEnd }) => mayEnd).map(({ name }) => name));
  return objects
    .filter(({ kind, name }) => !(kind.startsWith("event") && ends.has(name)))
    .map(({ kind, name, section, statements }) =>
      JSON.stringify([section, kind, kind === "database" ? "" : name, statements]),
    )
    .toSorted();
}
