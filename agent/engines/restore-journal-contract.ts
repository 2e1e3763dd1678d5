import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ChunkTarget, noChunks, RowChunker } from "../pipeline/row-chunker.ts";
import type {
  Engine,
  Loader,
  ObjectList,
  PartReader,
  RestorePlan,
  SnapshotTicket,
  TableData,
} from "./engine.ts";
import type { EngineScratch } from "./engine-contract.ts";
import { journalName, objectStep, streamStep } from "./restore-journal.ts";

const { signal } = new AbortController();
const origin = { repository: "r1", backup: "20261120T101530Z-k3v9x0ap", content: "ab".repeat(32) };
const creating = { create: true, signal };
const resuming = { create: false, resume: true, signal };

/** What `engine.ts` promises of journals, as tests that every adapter runs. */
export function describeRestoreJournal(name: string, open: () => Promise<EngineScratch>): void {
  describe(`${name} keeps the journal of a restore`, () => {
    test("a step is recorded with what it does, once and whole", async () => {
      await using scratch = await open();
      const { engine, plan, items, rows } = await planCopy(scratch);
      {
        await using target = await engine.prepareTarget(plan, creating);
        assert.equal(target.done.size, 0);
        assert.ok(target.created);
        await using loader = await engine.openLoader({ signal });
        await buildAll(loader, plan);
        await loader.load(items, once(rows[0]), { step: streamStep(0), signal });
        const twice = loader.load(items, once(rows[0]), { step: streamStep(0), signal });
        await assert.rejects(twice, { code: "engine-refused" });
        const cut = loader.load(items, cutShort(rows[1]), { step: streamStep(1), signal });
        await assert.rejects(cut, /disk on fire/);
      }
      await using target = await engine.prepareTarget(plan, resuming);
      const steps = plan.list.objects.map((_, index) => objectStep(index));
      assert.deepEqual([...target.done].toSorted(), [...steps, streamStep(0)].toSorted());
      assert.ok(target.created);
      await using loader = await engine.openLoader({ signal });
      await loader.load(items, once(rows[1]), { step: streamStep(1), signal });
      await target.finish({ signal });
      assert.equal(await countItems(engine), 2);
    });

    test("the journal is no object of the database, which is not one to back up", async () => {
      await using scratch = await open();
      const { engine, plan } = await planCopy(scratch);
      await using target = await engine.prepareTarget(plan, creating);
      {
        await using loader = await engine.openLoader({ signal });
        await buildAll(loader, plan);
      }
      const during = await describeDatabase(engine);
      assert.ok(during.list.unsupported.some((one) => one.name === journalName));
      await target.finish({ signal });
      const after = await describeDatabase(engine);
      assert.deepEqual(after.list.unsupported, []);
      assert.deepEqual(during.list.objects, after.list.objects);
      assert.deepEqual(during.tables, after.tables);
    });

    test("a restore goes on with its own backup only, where one began, and alone", async () => {
      await using scratch = await open();
      const { engine, plan } = await planCopy(scratch);
      await assert.rejects(engine.prepareTarget(plan, resuming), { code: "database-unknown" });
      const source = scratch.at("source");
      await assert.rejects(source.prepareTarget(plan, resuming), { code: "restore-unknown" });
      {
        await using _ = await engine.prepareTarget(plan, creating);
        await assert.rejects(engine.prepareTarget(plan, resuming), { code: "busy" });
      }
      const unfinished = { code: "target-not-empty", message: /unfinished restore of backup 2026/ };
      await assert.rejects(engine.prepareTarget(plan, { create: false, signal }), unfinished);
      for (const change of [{ backup: "other" }, { repository: "r2" }, { content: "cd" }]) {
        const other = { ...plan, origin: { ...origin, ...change } };
        await assert.rejects(engine.prepareTarget(other, resuming), { code: "target-changed" });
      }
      await using target = await engine.prepareTarget(plan, resuming);
      await target.finish({ signal });
      await target[Symbol.asyncDispose]();
      await assert.rejects(engine.prepareTarget(plan, resuming), { code: "restore-unknown" });
    });

    test("undo() drops a database that an earlier attempt created, and only that", async () => {
      await using scratch = await open();
      const { engine, plan } = await planCopy(scratch);
      {
        await using _ = await engine.prepareTarget(plan, creating);
      }
      const target = await engine.prepareTarget(plan, resuming);
      await target.undo({ signal });
      await assert.rejects(engine.probe({ signal }), { code: "database-unknown" });
      await scratch.at("source").probe({ signal });
    });
  });
}

interface Copy {
  engine: Engine;
  plan: RestorePlan;
  items: TableData;
  /** Two rows of `items`, each as a part of its own. */
  rows: [Buffer, Buffer];
}

/** The plan of a copy of `source`, whose `items` have two rows. */
async function planCopy(scratch: EngineScratch): Promise<Copy> {
  await scratch.addItems({ count: 2, length: 10 });
  const source = scratch.at("source");
  const { list, tables } = await describeDatabase(source);
  const plan = { facts: await source.probe({ signal }), list, tables, origin };
  const items = tables.find(({ name }) => name === "items");
  assert.ok(items !== undefined);
  return { engine: scratch.at("copy"), plan, items, rows: await readItems(source, items) };
}

async function describeDatabase(
  engine: Engine,
): Promise<{ list: ObjectList; tables: TableData[] }> {
  await using snapshot = await engine.openSnapshot({ startReaders: async () => {}, signal });
  return { list: await snapshot.listObjects(), tables: await snapshot.listTables() };
}

/** Both rows are equally long. */
async function readItems(engine: Engine, items: TableData): Promise<[Buffer, Buffer]> {
  const chunks: Buffer[] = [];
  const add = (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk));
  assert.equal(await readTable(engine, items, { ...noChunks, add }), 2);
  const bytes = Buffer.concat(chunks);
  return [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)];
}

async function countItems(engine: Engine): Promise<number> {
  const { tables } = await describeDatabase(engine);
  const items = tables.find(({ name }) => name === "items");
  return items === undefined ? 0 : await readTable(engine, items, noChunks);
}

/** Reads a table; gives the count of its rows. */
async function readTable(engine: Engine, table: TableData, target: ChunkTarget): Promise<number> {
  await using stack = new AsyncDisposableStack();
  let reader: PartReader | undefined;
  const startReaders = async (ticket: SnapshotTicket) => {
    reader = stack.use(await engine.openReader(ticket, { signal }));
  };
  const snapshot = stack.use(await engine.openSnapshot({ startReaders, signal }));
  const rows = new RowChunker(target, Buffer.alloc(16, 7));
  let count = 0;
  for (const part of await snapshot.cutParts(table)) {
    rows.beginPart();
    await reader?.readPart(part, rows, { signal });
    count += Number(rows.endPart().rows);
  }
  return count;
}

async function buildAll(loader: Loader, { list }: RestorePlan): Promise<void> {
  for (const [index, object] of list.objects.entries())
    await loader.build(object, { step: objectStep(index), signal });
}

async function* once(bytes: Uint8Array) {
  yield bytes;
}

async function* cutShort(bytes: Uint8Array) {
  yield bytes;
  throw new Error("disk on fire");
}
