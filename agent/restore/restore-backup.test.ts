import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryDatabase, createMemoryEngine } from "../engines/memory/engine.ts";
import { type Engine, type Loader, sections, type Snapshot } from "../engines/engine.ts";
import { makeMemoryScratch } from "../backup/memory-scratch.ts";

const rows = Array.from({ length: 300 }, (_, n) => `row ${n}`);

async function backedUp() {
  const scratch = await makeMemoryScratch();
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: rows }));
  const { header } = await scratch.backUp("shop");
  return { scratch, header };
}

/** The memory engine on `copy`, with a loader that behaves differently. */
function withLoader(engine: Engine, change: (loader: Loader) => void): Engine {
  const openLoader: Engine["openLoader"] = async (options) => {
    const loader = await engine.openLoader(options);
    change(loader);
    return loader;
  };
  return { ...engine, openLoader };
}

function withSnapshot(engine: Engine, change: (snapshot: Snapshot) => void): Engine {
  const openSnapshot: Engine["openSnapshot"] = async (options) => {
    const snapshot = await engine.openSnapshot(options);
    change(snapshot);
    return snapshot;
  };
  return { ...engine, openSnapshot };
}

test("restoreBackup() touches nothing when an object of the backup is missing", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const { signal } = new AbortController();
  for await (const { key } of scratch.store.list("", { signal }))
    if (key.includes("/packs/")) await scratch.store.delete(key, { signal });
  await assert.rejects(scratch.restore(header.id, "copy"), {
    code: "repository-damaged",
    message: /packs\//,
  });
  assert.ok(!scratch.server.databases.has("copy"));
});

test("restoreBackup() drops the database it created when it fails before it loads", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const engine = withLoader(createMemoryEngine(scratch.server, "copy"), (loader) => {
    loader.build = () => Promise.reject(new Error("disk on fire"));
  });
  await assert.rejects(scratch.restore(header.id, "copy", { engine }), /disk on fire/);
  assert.ok(!scratch.server.databases.has("copy"));
  assert.equal(scratch.server.sessions, 0);
});

test("restoreBackup() says that a database it did not create holds a part of the backup", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  scratch.server.databases.set("mine", createMemoryDatabase({}));
  const engine = withLoader(createMemoryEngine(scratch.server, "mine"), (loader) => {
    loader.load = () => Promise.reject(new Error("disk on fire"));
  });
  await assert.rejects(scratch.restore(header.id, "mine", { engine, create: false }), {
    message: /disk on fire/,
    remedy: /empty the database, which holds a part of the backup/,
  });
  assert.ok(scratch.server.databases.has("mine"));
});

test("restoreBackup() fails when the server has taken fewer rows than it was sent", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const engine = withLoader(createMemoryEngine(scratch.server, "copy"), (loader) => {
    const load = loader.load.bind(loader);
    loader.load = async (...args) => (await load(...args)) - 1;
  });
  await assert.rejects(scratch.restore(header.id, "copy", { engine }), {
    code: "digest-mismatch",
    message: /297 rows were loaded, the backup has 300/,
  });
});

test("restoreBackup() fails when a row that was read back differs", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const engine = withLoader(createMemoryEngine(scratch.server, "copy"), (loader) => {
    const load = loader.load.bind(loader);
    loader.load = async (...args) => {
      const count = await load(...args);
      scratch.server.databases.get("copy")?.tables.get("orders")?.splice(0, 1, "row x");
      return count;
    };
  });
  await assert.rejects(scratch.restore(header.id, "copy", { engine }), {
    code: "digest-mismatch",
    message: /main\.orders: 300 rows with digest/,
  });
});

test("restoreBackup() fails when an object of the backup is not there in the end", async () => {
  await using scratch = await makeMemoryScratch();
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: rows, empty: [] }));
  const { header } = await scratch.backUp("shop");
  const engine = withLoader(createMemoryEngine(scratch.server, "copy"), (loader) => {
    const build = loader.build.bind(loader);
    loader.build = async (object, options) => {
      if (object.name !== "empty") await build(object, options);
    };
  });
  await assert.rejects(scratch.restore(header.id, "copy", { engine }), {
    code: "digest-mismatch",
    message: 'Cannot prove the objects of database "copy": table empty (pre-data) is missing',
  });
  assert.ok(!scratch.server.databases.has("copy"));
});

test("restoreBackup() fails when the view of the restored rows was lost on the way", async () => {
  const { scratch, header } = await backedUp();
  await using _ = scratch;
  const engine = withSnapshot(createMemoryEngine(scratch.server, "copy"), (snapshot) => {
    snapshot.assertAlive = () => Promise.reject(new Error("leader lost"));
  });
  await assert.rejects(scratch.restore(header.id, "copy", { engine }), /leader lost/);
});

test("restoreBackup() builds the objects of every section, in the order of sections", async () => {
  await using scratch = await makeMemoryScratch();
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: rows }));
  const wanted = sections.filter((section) => section !== "data");
  const withAll = (engine: Engine) =>
    withSnapshot(engine, (snapshot) => {
      const listObjects = snapshot.listObjects.bind(snapshot);
      const more = wanted.map((section) => ({ kind: "x", name: "x", section, statements: [] }));
      snapshot.listObjects = async () => {
        const list = await listObjects();
        return { ...list, objects: [...more.toReversed(), ...list.objects] };
      };
    });
  const { header } = await scratch.backUp("shop", {
    engine: withAll(createMemoryEngine(scratch.server, "shop")),
  });
  const built: string[] = [];
  const copy = withAll(createMemoryEngine(scratch.server, "copy"));
  const engine = withLoader(copy, (loader) => {
    const build = loader.build.bind(loader);
    loader.build = async (object, options) => {
      if (object.kind === "x") built.push(object.section);
      await build(object, options);
    };
  });
  await scratch.restore(header.id, "copy", { engine });
  assert.deepEqual(built, wanted);
});
