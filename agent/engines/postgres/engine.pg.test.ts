import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { RowChunker, type RowSums } from "../../pipeline/row-chunker.ts";
import type { Part, ServerFacts, TableData } from "../engine.ts";
import { createPostgresEngine } from "./engine.ts";
import { openSession, type PostgresSession } from "./session.ts";
import { type PostgresTarget, parsePostgresTarget } from "./target.ts";

const { signal } = new AbortController();
const rowKey = Buffer.from("0123456789abcdef");

/** Reads parts as a backup does; gives the bytes of the chunks. */
async function readAll(
  target: PostgresTarget,
  whileOpen: () => Promise<void> = async () => undefined,
): Promise<Map<string, Copied>> {
  const engine = createPostgresEngine({ target, password: undefined });
  const pieces: Uint8Array[] = [];
  const chunker = new RowChunker(
    {
      add: (chunk) => void pieces.push(chunk.slice()),
      full: false,
      drained: async () => undefined,
    },
    rowKey,
  );
  await using stack = new AsyncDisposableStack();
  const readers: Awaited<ReturnType<typeof engine.openReader>>[] = [];
  const startReaders = async (ticket: Parameters<typeof engine.openReader>[0]) => {
    readers.push(stack.use(await engine.openReader(ticket, { signal })));
  };
  await using snapshot = await engine.openSnapshot({ startReaders, signal });
  await whileOpen();
  const copies = new Map<string, Copied>();
  for (const table of await snapshot.listTables()) {
    const parts = await snapshot.cutParts(table);
    const streams: Copied["streams"] = [];
    for (const part of parts) {
      pieces.length = 0;
      chunker.beginPart();
      await readers[0]?.readPart(part, chunker, { signal });
      streams.push({ part, sums: chunker.endPart(), bytes: Buffer.concat(pieces) });
    }
    copies.set(`${table.schema}.${table.name}`, { table, streams });
  }
  await snapshot.assertAlive();
  return copies;
}

interface Copied {
  table: TableData;
  streams: { part: Part; sums: RowSums; bytes: Buffer }[];
}

async function* cut(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const sum = (copy: Copied | undefined) => {
  const total = { rows: 0n, digest: [0n, 0n] as [bigint, bigint] };
  for (const { sums } of copy?.streams ?? []) {
    total.rows += sums.rows;
    for (const i of [0, 1] as const)
      total.digest[i] = BigInt.asUintN(64, total.digest[i] + sums.digest[i]);
  }
  return total;
};

async function sessionOf(server: PostgresServer, database: string): Promise<PostgresSession> {
  return openSession(parsePostgresTarget(server.url(database)), { signal });
}

const facts: ServerFacts = {
  flavour: "postgres",
  version: "15",
  instance: "1",
  host: "x",
  database: "x",
  settings: {},
};

/** Copies every table of one database into tables of the same definition in another. */
async function roundTrip(server: PostgresServer, { ddl, data, create = "" }: Schema) {
  const name = `t${++counter}`;
  await using admin = await sessionOf(server, "postgres");
  for (const database of [name, `${name}_copy`])
    await admin.execute(`CREATE DATABASE ${database} TEMPLATE template0 ${create}`);
  {
    await using source = await sessionOf(server, name);
    await source.execute(ddl);
    await source.execute(data);
  }
  const before = await readAll(parsePostgresTarget(server.url(name)));
  const target = parsePostgresTarget(server.url(`${name}_copy`));
  const engine = createPostgresEngine({ target, password: undefined });
  await engine.prepareTarget(
    { facts, list: { objects: [], unsupported: [], requires: [] }, tables: [] },
    { create: false, signal },
  );
  {
    await using loader = await engine.openLoader({ signal });
    const object = { kind: "table", name: "all", section: "pre-data", statements: [ddl] } as const;
    await loader.build({ ...object, statements: [...object.statements] }, { signal });
    for (const { table, streams } of before.values())
      for (const { bytes, sums } of streams)
        assert.equal(await loader.load(table, cut(bytes, 777), { signal }), Number(sums.rows));
  }
  const after_ = await readAll(target);
  for (const [table, copy] of before) assert.deepEqual(sum(after_.get(table)), sum(copy), table);
  return before;
}

interface Schema {
  ddl: string;
  data: string;
  create?: string;
}

let counter = 0;

for (const major of [15, 17])
  describe(`createPostgresEngine() with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    test("a copy of tables with simple, no and odd columns has the same rows", async () => {
      const copies = await roundTrip(server, {
        ddl: `CREATE TABLE public.plain (id int, t text);
          CREATE TABLE public.none ();
          CREATE TABLE public.empty (id int);
          CREATE TABLE public."we""ird
 näme" ("a ""b"" \n c" xml, "ü'" int);
          CREATE TABLE public.text_empty (x xml);
          CREATE TABLE public.gen (a int, b int GENERATED ALWAYS AS (a * 2) STORED,
            id int GENERATED ALWAYS AS IDENTITY)`,
        data: `INSERT INTO public.plain SELECT i, repeat('x', i % 100) FROM generate_series(1, 10000) i;
          INSERT INTO public.none SELECT FROM generate_series(1, 7);
          INSERT INTO public."we""ird
 näme" VALUES ('<a>b</a>', 1), (NULL, NULL), (E'a\\tb\\nc\\\\.', 3), (E'\\\\.', 4);
          INSERT INTO public.gen (a) VALUES (1), (2)`,
      });
      assert.equal(sum(copies.get("public.plain")).rows, 10_000n);
      assert.equal(sum(copies.get("public.none")).rows, 7n);
      assert.equal(sum(copies.get("public.empty")).rows, 0n);
      assert.equal(copies.get("public.plain")?.table.format, "postgres-copy-binary");
      assert.equal(copies.get("public.text_empty")?.table.format, "postgres-copy-text");
      assert.deepEqual(copies.get("public.gen")?.table.columns, ["a", "id"]);
    });
  });
