import assert from "node:assert/strict";
import { test } from "node:test";
import { brokenDisk, createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import { makeMemoryScratch, type MemoryScratch } from "../backup/memory-scratch.ts";
import { createMemoryDatabase, createMemoryEngine } from "../engines/memory/engine.ts";
import type { Engine, Loader } from "../engines/engine.ts";
import { openBackup } from "../repository/open-backup.ts";
import { openRepository } from "../repository/open-repository.ts";
import { discardRestore } from "./discard-restore.ts";

const { signal } = new AbortController();
const lines = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${name} ${n}`);

/** Nine parts in three tables. */
async function backedUp() {
  const scratch = await makeMemoryScratch();
  const tables = { a: lines("a", 450), b: lines("b", 300), c: lines("c", 40), d: [] };
  scratch.server.databases.set("shop", createMemoryDatabase(tables));
  const { header } = await scratch.backUp("shop");
  return { scratch, header };
}

/** The memory engine on `name`, which fails at the n-th call of a loader; and the calls it had. */
function cutAt(scratch: MemoryScratch, name: string, n: number) {
  const calls: string[] = [];
  const engine = createMemoryEngine(scratch.server, name);
  const call = async (what: string) => {
    calls.push(what);
    if (calls.length > n) throw new Error("disk on fire");
  };
  const change = (loader: Loader): void => {
    const [load, build] = [loader.load.bind(loader), loader.build.bind(loader)];
    loader.load = async (...args) => {
      await call(args[2].step ?? "");
      return await load(...args);
    };
    loader.build = async (...args) => {
      await call(args[1].step ?? "");
      await build(...args);
    };
  };
  const openLoader: Engine["openLoader"] = async (options) => {
    const loader = await engine.openLoader(options);
    change(loader);
    return loader;
  };
  return { engine: { ...engine, openLoader }, calls };
}

function rowsOf({ server }: MemoryScratch, name: string) {
  const tables = [...(server.databases.get(name)?.tables ?? [])];
  return Object.fromEntries(tables.map(([table, rows]) => [table, rows.toSorted()]));
}

test("a restore that is cut at any step goes on, and does no step twice", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const whole = cutAt(scratch, "whole", Infinity);
  await scratch.restore(header.id, "whole", { engine: whole.engine });
  const parts = whole.calls.filter((step) => step.startsWith("stream")).length;
  assert.equal(parts, 9);
  for (let n = 0; n < whole.calls.length; n++) {
    const name = `cut${n}`;
    const cut = cutAt(scratch, name, n);
    await assert.rejects(scratch.restore(header.id, name, { engine: cut.engine }), /disk on fire/);
    const done = cut.calls.slice(0, n);
    const rest = cutAt(scratch, name, Infinity);
    const again = { engine: rest.engine, resume: "may" } as const;
    const finished = await scratch.restore(header.id, name, again);
    // Before the first row nothing is kept: then it begins anew.
    const isKept = cut.calls.some((step) => step.startsWith("stream"));
    const expected = isKept ? whole.calls.filter((step) => !done.includes(step)) : whole.calls;
    assert.deepEqual(rest.calls.toSorted(), expected.toSorted());
    const resumedParts = done.filter((step) => step.startsWith("stream")).length;
    assert.ok(finished?.kind === "finished");
    assert.deepEqual([finished.parts, finished.resumedParts], [parts, resumedParts]);
    assert.deepEqual(rowsOf(scratch, name), rowsOf(scratch, "shop"));
    assert.equal(scratch.server.databases.get(name)?.journal, undefined);
    assert.equal(scratch.server.sessions, 0);
  }
});

test("a restore whose n-th call of the store fails goes on, and reads no loaded part again", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const whole = countGets(scratch);
  await scratch.restore(header.id, "whole", { store: whole.store });
  // What is looked at before a restore begins; each part is one request.
  const before = whole.gets.length - 9;
  for (let n = 0, ended = false; !ended; n++) {
    const name = `cut${n}`;
    const failing = createFaultyStore(scratch.store, (call) => {
      if (call.n === n) throw brokenDisk("it");
    });
    const first = scratch
      .restore(header.id, name, { store: failing })
      .then(() => undefined, String);
    ended = (await first) === undefined;
    if (ended) break;
    assert.match((await first) ?? "", /EIO/);
    const { store, gets } = countGets(scratch);
    const finished = await scratch.restore(header.id, name, { store, resume: "may" });
    assert.ok(finished?.kind === "finished");
    assert.equal(gets.length, before + finished.parts - finished.resumedParts);
    assert.deepEqual(rowsOf(scratch, name), rowsOf(scratch, "shop"));
  }
});

function countGets({ store }: MemoryScratch) {
  const gets: string[] = [];
  const counting = createFaultyStore(store, ({ method, key }) => {
    if (method === "get") gets.push(key);
  });
  return { store: counting, gets };
}

test("a restore that failed while it loaded says what is kept, and how to go on or to drop it", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const { engine } = cutAt(scratch, "copy", 4 + 3);
  await assert.rejects(scratch.restore(header.id, "copy", { engine }), {
    message: /disk on fire/,
    remedy: /\. At least [23] of 9 parts are loaded and kept: to go on there, .*; or drop the data/,
  });
  await assert.rejects(scratch.restore(header.id, "copy", { create: false }), {
    code: "target-not-empty",
    message: `Cannot restore into copy: it holds an unfinished restore of backup ${header.id}`,
  });
});

test("a restore goes on with its own backup only, and where one has begun", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const { engine } = cutAt(scratch, "copy", 6);
  await assert.rejects(scratch.restore(header.id, "copy", { engine }));
  const { header: other } = await scratch.backUp("shop");
  const message = new RegExp(`it is one of backup ${header.id}`);
  for (const resume of ["must", "may"] as const)
    await assert.rejects(scratch.restore(other.id, "copy", { resume }), {
      code: "target-changed",
      message,
    });
  await assert.rejects(scratch.restore(other.id, "shop", { resume: "must" }), {
    code: "restore-unknown",
  });
  await assert.rejects(scratch.restore(other.id, "nowhere", { resume: "must" }), {
    code: "database-unknown",
  });
});

test("a restore does not go on in a target whose tables were changed", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const changes: [RegExp, (tables: Map<string, string[]>) => void][] = [
    [/table stranger is not in the backup/, (tables) => tables.set("stranger", [])],
    [/table a is gone/, (tables) => tables.delete("a")],
  ];
  for (const [n, [message, change]] of changes.entries()) {
    const { engine } = cutAt(scratch, `copy${n}`, 7);
    await assert.rejects(scratch.restore(header.id, `copy${n}`, { engine }));
    const copy = scratch.server.databases.get(`copy${n}`);
    assert.ok(copy !== undefined);
    change(copy.tables);
    await assert.rejects(scratch.restore(header.id, `copy${n}`, { resume: "must" }), {
      code: "target-changed",
      message,
    });
  }
});

test("a restore that goes on finds rows that were changed meanwhile, and drops nothing", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const { engine } = cutAt(scratch, "copy", 7);
  await assert.rejects(scratch.restore(header.id, "copy", { engine }));
  scratch.server.databases.get("copy")?.tables.get("a")?.splice(0, 1, "a x");
  await assert.rejects(scratch.restore(header.id, "copy", { resume: "must" }), {
    code: "digest-mismatch",
    remedy: /empty or drop the database/,
  });
  assert.ok(scratch.server.databases.has("copy"));
});

test("discardRestore() drops what a restore has created, and nothing else", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const { store, identity } = scratch;
  const repository = await openRepository(store, { signal });
  const backup = await openBackup({ store, repository, header, keys: { identity }, signal });
  const discard = (name: string) =>
    discardRestore({ engine: createMemoryEngine(scratch.server, name), backup }, { signal });
  await assert.rejects(discard("shop"), { code: "restore-unknown" });
  scratch.server.databases.set("mine", createMemoryDatabase());
  for (const [name, create] of [
    ["mine", false],
    ["made", true],
  ] as const) {
    const { engine } = cutAt(scratch, name, 7);
    await assert.rejects(scratch.restore(header.id, name, { engine, create }));
  }
  await assert.rejects(discard("mine"), { code: "engine-refused" });
  await discard("made");
  assert.deepEqual([...scratch.server.databases.keys()], ["shop", "mine"]);
});
