import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { emptySums, noChunks, RowChunker, type RowSums } from "../pipeline/row-chunker.ts";
import { addSums } from "../pipeline/row-chunker.ts";
import { type Engine, type PartReader, sections, type Snapshot, type TableData } from "./engine.ts";

/** A server with one database `source` that holds a table `items` of text rows, for the contract. */
export interface EngineScratch extends AsyncDisposable {
  /** The engine on a database of the server, which need not exist. */
  at(database: string): Engine;
  /** Adds rows to `items` in `source`, each `length` bytes long. */
  addItems(rows: { count: number; length: number }): Promise<void>;
  /** Sessions that dbctl has open on the server. */
  countSessions(): Promise<number>;
}

const key = Buffer.alloc(16, 7);
const { signal } = new AbortController();

/** The promises of `engine.ts`, as tests that every adapter runs. */
export function describeEngine(name: string, open: () => Promise<EngineScratch>): void {
  describe(`${name} keeps the engine contract`, () => {
    test("probe() names the same instance every time, and the database asked for", async () => {
      await using scratch = await open();
      const first = await scratch.at("source").probe({ signal });
      const again = await scratch.at("source").probe({ signal });
      assert.equal(first.instance, again.instance);
      assert.match(first.instance, /^[A-Za-z0-9._-]+$/);
      assert.equal(first.database, "source");
    });

    test("probe() of a database that is not there says so", async () => {
      await using scratch = await open();
      const probing = scratch.at("nowhere").probe({ signal });
      await assert.rejects(probing, { code: "database-unknown" });
    });

    test("listDatabases() names the database, and none that only templates or the server use", async () => {
      await using scratch = await open();
      const names = (await scratch.at("source").listDatabases({ signal })).map(({ name }) => name);
      assert.ok(names.includes("source"), names.join(", "));
      for (const own of ["template0", "template1", "mysql", "sys", "information_schema"])
        assert.ok(!names.includes(own), own);
    });

    test("all readers see the moment of the snapshot, whatever is written later", async () => {
      await using scratch = await open();
      await scratch.addItems({ count: 1000, length: 50 });
      await using view = await openView(scratch.at("source"), 3);
      await scratch.addItems({ count: 500, length: 50 });
      assert.equal((await view.sumItems()).rows, 1000n);
    });

    test("cutParts() gives parts that hold every row exactly once", async () => {
      await using scratch = await open();
      await scratch.addItems({ count: 2000, length: 3000 });
      await using view = await openView(scratch.at("source"), 1);
      const all = await view.sumItems();
      await scratch.addItems({ count: 1, length: 10 });
      assert.equal(all.rows, 2000n);
      assert.ok(all.bytes >= 6_000_000n);
    });

    test("a restored copy has the same rows, and a reader gets the same digest", async () => {
      await using scratch = await open();
      await scratch.addItems({ count: 3000, length: 300 });
      const before = await copyDatabase(scratch, "copy");
      await using view = await openView(scratch.at("copy"), 1);
      assert.deepEqual(await view.sumItems(), before);
    });

    test("prepareTarget() refuses a database that exists, or that is not empty", async () => {
      await using scratch = await open();
      await scratch.addItems({ count: 1, length: 1 });
      const engine = scratch.at("source");
      const plan = await planOf(engine);
      const creating = engine.prepareTarget(plan, { create: true, signal });
      await assert.rejects(creating, { code: "target-exists" });
      const filling = engine.prepareTarget(plan, { create: false, signal });
      await assert.rejects(filling, { code: "target-not-empty" });
    });

    test("undo() drops the database that was created, and only that", async () => {
      await using scratch = await open();
      const plan = await planOf(scratch.at("source"));
      const target = await scratch.at("copy").prepareTarget(plan, { create: true, signal });
      await scratch.at("copy").probe({ signal });
      await target.undo({ signal });
      await assert.rejects(scratch.at("copy").probe({ signal }), { code: "database-unknown" });
      await scratch.at("source").probe({ signal });
    });

    test("load() whose bytes fail leaves no row behind", async () => {
      await using scratch = await open();
      await scratch.addItems({ count: 500, length: 200 });
      await copyDatabase(scratch, "copy", (bytes) => failAfter(bytes));
      await using view = await openView(scratch.at("copy"), 1);
      assert.equal((await view.sumItems()).rows, 0n);
    });

    test("whatever was opened leaves no session behind", async () => {
      await using scratch = await open();
      await scratch.addItems({ count: 10, length: 10 });
      {
        await using view = await openView(scratch.at("source"), 2);
        await view.sumItems();
        await using _ = await scratch.at("source").openLoader({ signal });
        assert.ok((await scratch.countSessions()) >= 4);
      }
      for (let n = 0; (await scratch.countSessions()) > 0; n++) {
        assert.ok(n < 100, "sessions stay open");
        await sleep(20);
      }
    });

    test("aborting ends openSnapshot() and readPart() with the signal's reason", async () => {
      await using scratch = await open();
      await scratch.addItems({ count: 1000, length: 1000 });
      const controller = new AbortController();
      await using view = await openView(scratch.at("source"), 1);
      const [part] = await view.snapshot.cutParts(await view.items());
      assert.ok(part !== undefined);
      controller.abort(new Error("enough"));
      const rows = new RowChunker(noChunks, key);
      rows.beginPart();
      const [reader] = view.readers;
      const reading = reader?.readPart(part, rows, { signal: controller.signal });
      await assert.rejects(reading ?? Promise.resolve(), /enough/);
      const startReaders = () => Promise.resolve();
      const opening = scratch
        .at("source")
        .openSnapshot({ startReaders, signal: controller.signal });
      await assert.rejects(opening, /enough/);
    });
  });
}

interface View extends AsyncDisposable {
  snapshot: Snapshot;
  readers: PartReader[];
  items(): Promise<TableData>;
  sumItems(collect?: (chunk: Uint8Array) => void): Promise<RowSums>;
}

/** A snapshot with readers, which share the parts of `items` between them. */
async function openView(engine: Engine, count: number): Promise<View> {
  await using stack = new AsyncDisposableStack();
  const readers: PartReader[] = [];
  const snapshot = stack.use(
    await engine.openSnapshot({
      startReaders: async (ticket) => {
        for (let n = 0; n < count; n++)
          readers.push(stack.use(await engine.openReader(ticket, { signal })));
      },
      signal,
    }),
  );
  const items = async () => {
    const table = (await snapshot.listTables()).find((one) => one.name === "items");
    assert.ok(table !== undefined, "there is no table items");
    return table;
  };
  const sumItems = async (collect: (chunk: Uint8Array) => void = () => {}) => {
    let sums = emptySums;
    for (const [n, part] of (await snapshot.cutParts(await items())).entries()) {
      const rows = new RowChunker({ ...noChunks, add: collect }, key);
      rows.beginPart();
      await readers[n % readers.length]?.readPart(part, rows, { signal });
      sums = addSums(sums, rows.endPart());
    }
    await snapshot.assertAlive();
    return sums;
  };
  const owned = stack.move();
  const dispose = { [Symbol.asyncDispose]: () => owned.disposeAsync() };
  return { snapshot, readers, items, sumItems, ...dispose };
}

async function planOf(engine: Engine) {
  await using view = await openView(engine, 1);
  const [facts, list] = [await engine.probe({ signal }), await view.snapshot.listObjects()];
  return { facts, list, tables: await view.snapshot.listTables() };
}

type Spoil = (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** Copies `source` through the port alone. With `spoil` the loading has to fail. */
async function copyDatabase(scratch: EngineScratch, to: string, spoil?: Spoil): Promise<RowSums> {
  const source = scratch.at("source");
  const plan = await planOf(source);
  await using view = await openView(source, 1);
  const chunks: Uint8Array[] = [];
  const sums = await view.sumItems((chunk) => void chunks.push(Uint8Array.from(chunk)));
  const target = scratch.at(to);
  await target.prepareTarget(plan, { create: true, signal });
  await using loader = await target.openLoader({ signal });
  for (const section of sections) {
    if (section === "data") {
      const loading = loader.load(await view.items(), (spoil ?? plain)(plain(chunks)), { signal });
      if (spoil === undefined) assert.equal(BigInt(await loading), sums.rows);
      else {
        await assert.rejects(loading, /disk on fire/);
        return sums;
      }
    }
    for (const object of plan.list.objects.filter((one) => one.section === section))
      await loader.build(object, { signal });
  }
  return sums;
}

async function* plain(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  yield* chunks;
}

async function* failAfter(chunks: AsyncIterable<Uint8Array>) {
  yield* chunks;
  throw new Error("disk on fire");
}
