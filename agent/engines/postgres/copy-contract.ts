/** How the tests copy a database: as a backup and a restore do, but with the chunks in memory. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { PostgresServer } from "../../../integration/fixtures/postgres-server.ts";
import {
  addSums,
  type ChunkTarget,
  emptySums,
  noChunks,
  RowChunker,
  type RowSums,
} from "../../pipeline/row-chunker.ts";
import type { Engine, Part, PartReader, Snapshot, TableData } from "../engine.ts";
import { createPostgresEngine } from "./engine.ts";
import { openSession, type PostgresSession } from "./session.ts";
import { parsePostgresTarget } from "./target.ts";

export const signal: AbortSignal = new AbortController().signal;

export function openScratchSession(
  server: PostgresServer,
  database = "postgres",
): Promise<PostgresSession> {
  return openSession(parsePostgresTarget(server.url(database)), { signal });
}

export function scratchEngine(server: PostgresServer, database: string): Engine {
  return createPostgresEngine({
    target: parsePostgresTarget(server.url(database)),
    password: undefined,
  });
}

export interface OpenView extends AsyncDisposable {
  snapshot: Snapshot;
  reader: PartReader;
}

export async function openView(engine: Engine): Promise<OpenView> {
  await using stack = new AsyncDisposableStack();
  let reader: PartReader | undefined;
  const snapshot = await engine.openSnapshot({
    signal,
    startReaders: async (ticket) => {
      reader = stack.use(await engine.openReader(ticket, { signal }));
    },
  });
  stack.use(snapshot);
  assert.ok(reader);
  const owned = stack.move();
  return { snapshot, reader, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

export interface ReadPart {
  part: Part;
  sums: RowSums;
  bytes: Buffer;
}

/** Reads one table of a view, part by part. */
export async function readTable(
  { snapshot, reader }: OpenView,
  table: TableData,
  target: ChunkTarget = noChunks,
): Promise<ReadPart[]> {
  const pieces: Uint8Array[] = [];
  const add = (chunk: Uint8Array) => {
    target.add(chunk);
    pieces.push(chunk.slice());
  };
  const kept: ChunkTarget = {
    add,
    get full() {
      return target.full;
    },
    drained: (options) => target.drained(options),
  };
  const chunker = new RowChunker(kept, Buffer.from("0123456789abcdef"));
  const read: ReadPart[] = [];
  for (const part of await snapshot.cutParts(table)) {
    pieces.length = 0;
    chunker.beginPart();
    await reader.readPart(part, chunker, { signal });
    read.push({ part, sums: chunker.endPart(), bytes: Buffer.concat(pieces) });
  }
  return read;
}

/** A target that is full after a chunk (or from the beginning), and takes a while each time. */
export function slowly({ full = false } = {}): ChunkTarget {
  let waiting = full ? 1 : 0;
  return {
    add: () => {
      // What was received at once may end several chunks of 256 KiB or more.
      assert.ok(++waiting <= 3, "more came than the target has room for");
    },
    get full() {
      return waiting > 0;
    },
    async drained() {
      await sleep(5);
      waiting = 0;
    },
  };
}

export function sumOf(parts: readonly ReadPart[]): RowSums {
  return parts.reduce((sum, part) => addSums(sum, part.sums), emptySums);
}

/** Every table of a database by its name. */
export async function readDatabase(engine: Engine) {
  await using view = await openView(engine);
  const tables = new Map<string, { table: TableData; parts: ReadPart[] }>();
  for (const table of await view.snapshot.listTables())
    tables.set(table.name, { table, parts: await readTable(view, table) });
  await view.snapshot.assertAlive();
  return tables;
}

let databases = 0;

/**
 * Makes a database with these tables and rows, copies all rows into the same tables of another, and
 * checks that both have the same rows. Gives what was read, and the name of the copy.
 */
export async function copyDatabase(
  server: PostgresServer,
  plan: { ddl: string; data: string; options?: string; to?: PostgresServer },
) {
  const { ddl, data, options = "", to = server } = plan;
  const [source, copy] = [`source${++databases}`, `copy${databases}`];
  await fill(server, "postgres", [`CREATE DATABASE ${source} TEMPLATE template0 ${options}`]);
  await fill(to, "postgres", [`CREATE DATABASE ${copy} TEMPLATE template0 ${options}`]);
  await fill(server, source, [ddl, data]);
  await fill(to, copy, [ddl]);
  const tables = await readDatabase(scratchEngine(server, source));
  await using loader = await scratchEngine(to, copy).openLoader({ signal });
  for (const { table, parts } of tables.values())
    for (const { bytes, sums } of parts)
      assert.equal(await loader.load(table, cut(bytes), { signal }), Number(sums.rows));
  const loaded = await readDatabase(scratchEngine(to, copy));
  for (const [name, { parts }] of tables)
    assert.deepEqual(sumOf(loaded.get(name)?.parts ?? []), sumOf(parts), name);
  return { tables, source, copy };
}

async function fill(server: PostgresServer, database: string, scripts: string[]): Promise<void> {
  await using session = await openScratchSession(server, database);
  for (const script of scripts) await session.execute(script);
}

/** Pieces that end inside rows, and some longer than a message may be. */
async function* cut(bytes: Buffer): AsyncGenerator<Uint8Array> {
  let size = 1;
  for (let at = 0; at < bytes.length; at += size) {
    size = Math.min(size * 3, 3 << 20);
    yield bytes.subarray(at, at + size);
  }
}

export async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
