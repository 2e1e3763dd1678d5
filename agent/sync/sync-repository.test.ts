import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { brokenDisk, createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  readBack,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { deleteBackup } from "../marks/delete-backup.ts";
import { pruneRepository } from "../prune/prune-repository.ts";
import { checkRepository } from "../check/check-repository.ts";
import { overlayStore } from "../check/overlay-store.ts";
import { markKey, removedKey, resealedKey } from "../repository/object-key.ts";
import { putMark } from "../repository/put-mark.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { syncRepository, type SyncRequest } from "./sync-repository.ts";
import type { BackupHeader } from "../repository/manifest.ts";

const at = new Date("2026-11-20T12:00:00.000Z");

function sync(scratch: ScratchRepository, to: ObjectStore, changes: Partial<SyncRequest> = {}) {
  return syncRepository({
    from: scratch.store,
    to,
    repository: scratch.repository,
    filter: {},
    parallel: 3,
    isDryRun: false,
    deletesExtraneous: false,
    at,
    by: "test",
    onBytes: () => {},
    signal,
    ...changes,
  });
}

/** Backups in two epochs of one server, and of another server; deduplicated among themselves. */
async function makeThree(): Promise<
  ScratchRepository & { headers: BackupHeader[]; data: Buffer[][] }
> {
  const scratch = await makeScratchRepository();
  const headers: BackupHeader[] = [];
  const data: Buffer[][] = [];
  const shared = randomBytes(1500);
  for (const [n, spec] of [{}, {}, { fresh: true }, { instance: "99" }].entries()) {
    const streams = [[shared, randomBytes(1000)], [randomBytes(700)]];
    const started = new Date(scratch.now.getTime() + n * 3600_000);
    const made = await backUp(scratch, {
      streams,
      isLogical: true,
      at: started,
      packBytes: 1200,
      ...spec,
    });
    headers.push(made.header);
    data.push(streams.map((stream) => Buffer.concat(stream)));
  }
  return { ...scratch, headers, data };
}

async function assertWhole(scratch: ScratchRepository, store: ObjectStore): Promise<void> {
  const { repository, identity } = scratch;
  const request = { store, repository, identity, depth: { kind: "full" as const }, signal };
  for await (const event of checkRepository({ ...request, isPartialCopy: false }, { at }))
    if (event.kind === "finished")
      assert.deepEqual(
        event.result.findings.filter(({ severity }) => severity === "damage"),
        [],
      );
}

/** What belongs to one repository alone. */
const isOwn = (key: string) => key.includes("/intents/") || key.includes("/marks/");

function assertSame(a: ReadonlyMap<string, Uint8Array>, b: ReadonlyMap<string, Uint8Array>): void {
  const keys = (objects: ReadonlyMap<string, Uint8Array>) =>
    [...objects.keys()].filter((key) => !isOwn(key)).toSorted();
  assert.deepEqual(keys(b), keys(a));
  for (const key of keys(a))
    assert.equal(Buffer.compare(a.get(key) ?? Buffer.alloc(0), b.get(key) ?? Buffer.alloc(0)), 0);
}

test("syncRepository() makes a copy that restores with the same identity", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  const result = await sync(scratch, to);
  assert.deepEqual(result.failures, []);
  assert.deepEqual(
    result.backups.map(({ state }) => state),
    Array(4).fill("copied"),
  );
  assertSame(scratch.objects, objects);
  assert.equal(result.copied.objects, objects.size);
  assert.equal(
    result.copied.bytes,
    objects.values().reduce((sum, { length }) => sum + length, 0),
  );
  await assertWhole(scratch, to);
  for (const [n, header] of scratch.headers.entries())
    assert.deepEqual(await readBack({ ...scratch, store: to }, header), scratch.data[n]);
  const again = await sync(scratch, to);
  assert.equal(again.copied.objects, 0);
  assert.deepEqual(
    again.backups.map(({ state }) => state),
    Array(4).fill("present"),
  );
});

test("syncRepository() that is cut at any call of either store is gone on with", async () => {
  await using scratch = await makeThree();
  for (const side of ["from", "to"] as const)
    for (let n = 0; ; n++) {
      const objects = new Map<string, Uint8Array>();
      const to = createMemoryStore(objects);
      let failed = false;
      const failing = createFaultyStore(side === "from" ? scratch.store : to, (call) => {
        if (call.n < n) return;
        failed = true;
        throw new Error("cut");
      });
      const cut = await sync(scratch, to, { [side]: failing }).catch((error: unknown) => error);
      assert.equal(cut instanceof Error, failed, `${side} ${n}`);
      // Whatever stands in the copy is whole, at every moment.
      for (const header of scratch.headers)
        if (objects.has(`${header.instance}/backups/${header.id}/manifest`))
          assert.equal((await readBack({ ...scratch, store: to }, header)).length, 2);
      if (!failed) break;
      assert.ok(!objects.has("repository.json"), `${side} ${n}`);
      assert.deepEqual((await sync(scratch, to)).failures, []);
      assertSame(scratch.objects, objects);
    }
});

test("syncRepository() with one broken call fails, or says what it did not copy, or is whole", async () => {
  await using scratch = await makeThree();
  for (let n = 0, ended = false; !ended; n++) {
    const objects = new Map<string, Uint8Array>();
    const to = createMemoryStore(objects);
    ended = true;
    const failing = createFaultyStore(to, (call) => {
      if (call.n !== n) return;
      ended = false;
      throw brokenDisk(call.key);
    });
    const result = await sync(scratch, failing).catch(() => undefined);
    if (result?.failures.length === 0) assertSame(scratch.objects, objects);
    assert.deepEqual((await sync(scratch, to)).failures, []);
    assertSame(scratch.objects, objects);
  }
});

test("syncRepository() does not carry damage on, and copies the other backups", async () => {
  await using scratch = await makeThree();
  const [first, second] = scratch.headers;
  assert.ok(first && second);
  const own = second.packs.find(({ pack }) => !first.packs.some((one) => one.pack === pack));
  const map = `7312/backups/${first.id}/map-0`;
  const bytes = Buffer.from(scratch.objects.get(map) ?? []);
  bytes[60] = (bytes[60] ?? 0) ^ 1;
  scratch.objects.set(map, bytes);
  scratch.objects.delete(`7312/packs/${second.epoch}/${own?.pack}`);
  const objects = new Map<string, Uint8Array>();
  const result = await sync(scratch, createMemoryStore(objects));
  const states = new Map(result.backups.map(({ id, state }) => [id, state]));
  assert.deepEqual(
    scratch.headers.map(({ id }) => states.get(id)),
    ["failed", "failed", "copied", "copied"],
  );
  assert.match(
    result.failures.map(({ what }) => what).join(),
    /not the one that was signed.*not there/,
  );
  assert.ok(!objects.has(`7312/backups/${first.id}/manifest`) && !objects.has(map));
});

test("syncRepository() puts nothing that was read short", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const isShort = (key: string) => key.startsWith("99/packs/");
  const from = overlayStore(scratch.store, {
    async *get(key, options) {
      for await (const piece of scratch.store.get(key, options))
        yield isShort(key) ? piece.subarray(1) : piece;
    },
  });
  const { backups } = await sync(scratch, createMemoryStore(objects), { from });
  assert.deepEqual(
    backups.filter(({ state }) => state === "failed").map(({ instance }) => instance),
    ["99"],
  );
  assert.ok(![...objects.keys()].some(isShort));
});

test("syncRepository() lets no backup stand there before those that it follows", async () => {
  await using scratch = await makeThree();
  const [first] = scratch.headers;
  const from = overlayStore(scratch.store, {
    async *get(key, options) {
      if (key.endsWith("map-0") && key.includes(first?.id ?? "-")) await sleep(100);
      yield* scratch.store.get(key, options);
    },
  });
  const order: string[] = [];
  const to = createFaultyStore(createMemoryStore(), ({ method, key }) => {
    if (method === "put" && key.endsWith("/manifest")) order.push(key.split("/")[2] ?? "");
  });
  await sync(scratch, to, { from });
  assert.deepEqual(
    order,
    scratch.headers.map(({ id }) => id),
  );
});

test("syncRepository() replaces nothing: what differs in the copy is named", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  await sync(scratch, to);
  const [first] = scratch.headers;
  const pack = `7312/packs/${first?.epoch}/${first?.packs[0]?.pack}`;
  objects.set(pack, Buffer.from("short"));
  const epoch = `99/epochs/${scratch.headers[3]?.epoch}.age`;
  objects.set(epoch, randomBytes(objects.get(epoch)?.length ?? 0));
  const result = await sync(scratch, to);
  const why = result.failures.map(({ what }) => what).join("\n");
  assert.ok(why.includes(pack) && why.includes(epoch), why);
  assert.equal(objects.get(pack)?.length, 5);
});

test("syncRepository() refuses another repository, and a place that holds something else", async () => {
  await using scratch = await makeThree();
  await using other = await makeThree();
  await assert.rejects(sync(scratch, other.store), { code: "target-exists" });
  other.objects.delete("repository.json");
  await assert.rejects(sync(scratch, other.store), { code: "target-not-empty" });
  const changed = createMemoryStore(new Map(scratch.objects));
  await changed.delete("repository.json", { signal });
  const json = scratch.objects.get("repository.json")?.toString() ?? "";
  await changed.put("repository.json", [Buffer.from(`${json} `)], { signal });
  await assert.rejects(sync(scratch, changed), { code: "repository-damaged" });
});

test("syncRepository() copies the backups that were asked for", async () => {
  await using scratch = await makeThree();
  const ids = scratch.headers.map(({ id }) => id);
  const wanted = async (filter: SyncRequest["filter"]) => {
    const { backups, isPartial, copied } = await sync(scratch, createMemoryStore(), {
      filter,
      isDryRun: true,
    });
    assert.ok(copied.objects > 0 && isPartial);
    return backups.map(({ id }) => ids.indexOf(id)).toSorted((a, b) => a - b);
  };
  assert.deepEqual(await wanted({ newerThan: new Date("2026-11-20T11:30:00.000Z") }), [2, 3]);
  assert.deepEqual(await wanted({ instances: ["99"] }), [3]);
  assert.deepEqual(await wanted({ backups: [ids[1] ?? ""] }), [1]);
  assert.deepEqual(await wanted({ databases: ["h/shop"] }), [0, 1, 2, 3]);
  assert.deepEqual(await wanted({ databases: ["h/shop"], instances: ["99"] }), [3]);
});

test("syncRepository() refuses a name that no backup has, and makes no repository for it", async () => {
  await using scratch = await makeThree();
  for (const filter of [
    { instances: ["99", "98"] },
    { databases: ["h/shop", "h/shopp"] },
    { backups: ["20251120T"] },
    { instances: ["98"], newerThan: at },
  ]) {
    const objects = new Map<string, Uint8Array>();
    const copying = sync(scratch, createMemoryStore(objects), { filter });
    await assert.rejects(copying, { code: "backup-unknown" }, JSON.stringify(filter));
    assert.ok(!objects.has("repository.json"));
  }
  // Nothing new is no mistake.
  const filter = { databases: ["h/shop"], newerThan: new Date("2027-01-01T00:00:00.000Z") };
  assert.deepEqual((await sync(scratch, createMemoryStore(), { filter })).backups, []);
});

test("syncRepository() that only says what it would do changes nothing", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const would = await sync(scratch, createMemoryStore(objects), { isDryRun: true });
  assert.equal(objects.size, 0);
  const did = await sync(scratch, createMemoryStore(objects));
  assert.deepEqual(would.copied, did.copied);
});

function markOf(
  { repository }: ScratchRepository,
  header: BackupHeader,
  number: number,
  mark: string,
) {
  const json = {
    format: 1,
    repository: repository.id,
    instance: header.instance,
    backup: header.id,
    number,
    id: randomBytes(16).toString("hex"),
    mark,
    at: at.toISOString(),
    by: "test",
    reason: "",
    window: mark === "delete" ? 0 : null,
    tag: null,
  };
  return [markKey(header, number), Buffer.from(JSON.stringify(json))] as const;
}

test("syncRepository() never leaves a delete in the copy without the undelete after it", async () => {
  await using scratch = await makeThree();
  const [first] = scratch.headers;
  assert.ok(first);
  for (const [n, mark] of ["delete", "undelete", "hold"].entries())
    scratch.objects.set(...markOf(scratch, first, n + 1, mark));
  for (let n = 0; n < 3; n++) {
    const objects = new Map<string, Uint8Array>();
    let puts = 0;
    const to = createFaultyStore(createMemoryStore(objects), ({ method, key }) => {
      if (method === "put" && key.includes("/marks/") && puts++ === n) throw new Error("cut");
    });
    await assert.rejects(sync(scratch, to), /cut/);
    const key = (number: number): string => markKey(first, number);
    const numbers = [1, 2, 3].filter((number) => objects.has(key(number)));
    assert.deepEqual(numbers, [1, 2, 3].slice(3 - n));
  }
});

test("syncRepository() leaves marks that the copy has of its own", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  await sync(scratch, to);
  const [first] = scratch.headers;
  assert.ok(first);
  const [key, own] = markOf(scratch, first, 1, "hold");
  objects.set(key, own);
  scratch.objects.set(...markOf(scratch, first, 1, "delete"));
  const result = await sync(scratch, to);
  assert.deepEqual(result.ownMarks, [`7312/${first.id}`]);
  assert.equal(objects.get(key), own);
});

/** As a prune leaves the source: the record, and nothing else of the backup. */
function pruneFirst({
  objects,
  repository,
  headers: [first, second],
}: Awaited<ReturnType<typeof makeThree>>) {
  assert.ok(first !== undefined && second?.previous);
  const removal = {
    format: 1,
    repository: repository.id,
    instance: "7312",
    backup: first.id,
    epoch: first.epoch,
    signer: first.signer,
    sequence: first.sequence,
    hash: second.previous.hash,
    at: at.toISOString(),
    by: "test",
  };
  objects.set(removedKey(first), Buffer.from(JSON.stringify(removal)));
  const needed = new Set(second.packs.map(({ pack }) => pack));
  const packs = first.packs.filter(({ pack }) => !needed.has(pack));
  for (const { pack } of packs) objects.delete(`7312/packs/${first.epoch}/${pack}`);
  for (const key of objects.keys()) if (key.includes(`/backups/${first.id}/`)) objects.delete(key);
  return { first, packs };
}

test("syncRepository() keeps what a prune removed from the source, unless it is told to remove it", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  await sync(scratch, to);
  const { first, packs } = pruneFirst(scratch);
  assert.ok(packs.length > 0);
  // Of a backup that runs: the copy has it from a run that was cut.
  const running = `7312/packs/${first.epoch}/${"0".repeat(32)}`;
  for (const side of [objects, scratch.objects]) side.set(running, Buffer.from("frames"));
  const before = objects.size;
  await sync(scratch, to);
  assert.equal(objects.size, before);
  await assertWhole(scratch, to);
  const would = await sync(scratch, to, { deletesExtraneous: true, isDryRun: true });
  assert.equal(objects.size, before);
  const did = await sync(scratch, to, { deletesExtraneous: true });
  assert.deepEqual(did.removed, would.removed);
  assert.equal(did.removed.length, 2 + packs.length);
  assertSame(scratch.objects, objects);
  await assertWhole(scratch, to);
  assert.ok(objects.has(removedKey(first)));
});

test("syncRepository() that is cut while it removes is gone on with, and what stays is whole", async () => {
  await using scratch = await makeThree();
  const before = new Map(scratch.objects);
  pruneFirst(scratch);
  for (let n = 0, ended = false; !ended; n++) {
    const objects = new Map<string, Uint8Array>();
    const to = createMemoryStore(objects);
    await sync({ ...scratch, store: createMemoryStore(new Map(before)) }, to);
    ended = true;
    const failing = createFaultyStore(to, (call) => {
      if (call.n < n) return;
      ended = false;
      throw new Error("cut");
    });
    await sync(scratch, failing, { deletesExtraneous: true }).catch(() => {});
    for (const header of scratch.headers)
      if (objects.has(`${header.instance}/backups/${header.id}/manifest`))
        assert.equal((await readBack({ ...scratch, store: to }, header)).length, 2);
    await sync(scratch, to, { deletesExtraneous: true });
    assertSame(scratch.objects, objects);
  }
});

test("syncRepository() keeps what the copy holds", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  await sync(scratch, to);
  const { first } = pruneFirst(scratch);
  objects.set(...markOf(scratch, first, 1, "hold"));
  const { removed, kept } = await sync(scratch, to, { deletesExtraneous: true });
  assert.deepEqual(removed, []);
  assert.match(kept[0]?.what ?? "", /test holds it/);
});

test("syncRepository() keeps what was undeleted in the copy alone", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  const [header] = scratch.headers;
  assert.ok(header);
  const deleted = markOf(scratch, header, 1, "delete");
  scratch.objects.set(...deleted);
  await sync(scratch, to);
  assert.deepEqual(objects.get(deleted[0])?.length, deleted[1].length);
  objects.set(...markOf(scratch, header, 2, "undelete"));
  pruneFirst(scratch);
  const { removed, kept } = await sync(scratch, to, { deletesExtraneous: true });
  assert.deepEqual(removed, []);
  assert.match(kept[0]?.what ?? "", /undeleted in the copy/);
});

test("syncRepository() goes on with a copy though the source's keys were sealed anew meanwhile", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  await sync(scratch, to);
  objects.delete("repository.json");
  for (const { instance, epoch } of scratch.headers) {
    const own = `${instance}/epochs/${epoch}.age`;
    const bytes = scratch.objects.get(own);
    if (bytes !== undefined) scratch.objects.set(resealedKey({ instance, epoch }, 1), bytes);
    scratch.objects.delete(own);
  }
  assert.deepEqual((await sync(scratch, to)).failures, []);
  assert.ok(objects.has("repository.json"));
  await assertWhole(scratch, to);
});

test("syncRepository() copies the later sealings of an epoch's key, and does without the first", async () => {
  await using scratch = await makeThree();
  for (const { instance, epoch } of scratch.headers) {
    const own = `${instance}/epochs/${epoch}.age`;
    const bytes = scratch.objects.get(own);
    if (bytes !== undefined) scratch.objects.set(resealedKey({ instance, epoch }, 1), bytes);
    scratch.objects.delete(own);
  }
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  assert.deepEqual((await sync(scratch, to)).failures, []);
  assertSame(scratch.objects, objects);
  await assertWhole(scratch, to);
});

test("syncRepository() does not bring back what a prune has removed from the copy", async () => {
  for (const crash of [true, false]) {
    await using scratch = await makeThree();
    const objects = new Map<string, Uint8Array>();
    let now = at;
    const to = createMemoryStore(objects, { now: () => now });
    await sync(scratch, to);
    const [header] = scratch.headers;
    assert.ok(header);
    const options = { store: to, by: "ann", reason: "", now, signal };
    await deleteBackup(header, { ...options, window: 0, lastOne: true, confirm: true });
    now = new Date("2026-11-23T12:00:00.000Z");
    const prune = { repository: scratch.repository.id, confirm: true, now: () => now };
    const stopped = createFaultyStore(to, ({ method, key }) => {
      if (crash && method === "delete" && key.endsWith("/manifest")) throw brokenDisk(key);
    });
    const pruned = Array.fromAsync(pruneRepository({ ...options, ...prune, store: stopped }));
    if (crash) await assert.rejects(pruned);
    else await pruned;
    const before = new Map(objects);
    const result = await sync(scratch, to);
    assert.deepEqual(result.failures, []);
    assert.equal(result.backups.find(({ id }) => id === header.id)?.state, "removed");
    assert.deepEqual([...objects.keys()].toSorted(), [...before.keys()].toSorted());
  }
});

test("syncRepository() loses nothing to prunes of the copy that run meanwhile", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  let now = at;
  const to = createMemoryStore(objects, { now: () => now });
  await sync(scratch, to);
  const streams = [[randomBytes(1500)]];
  const { header } = await backUp(scratch, { streams, fresh: true, isLogical: true });
  const prune = async () => {
    const options = { store: to, repository: scratch.repository.id, by: "ann", signal };
    await Array.fromAsync(pruneRepository({ ...options, confirm: true, now: () => now }));
  };
  const slow: ObjectStore = {
    ...to,
    put: async (key, body, options) => {
      for (let days = 0; days < 3 && key.endsWith(`${header.id}/manifest`); days++) {
        now = new Date(+now + 26 * 3600_000);
        await prune();
      }
      return await to.put(key, body, options);
    },
  };
  const result = await sync(scratch, slow);
  assert.deepEqual(result.failures, []);
  assert.equal(result.backups.find(({ id }) => id === header.id)?.state, "copied");
  assert.deepEqual(
    [...objects.keys()].filter((key) => key.includes("/intents/")),
    [],
  );
  await assertWhole(scratch, to);
});

test("syncRepository() takes no mark for its own that somebody puts in the same moment", async () => {
  await using scratch = await makeThree();
  const objects = new Map<string, Uint8Array>();
  const to = createMemoryStore(objects);
  await sync(scratch, to);
  const [header] = scratch.headers;
  assert.ok(header);
  const say = (store: ObjectStore, tag: string) =>
    putMark(store, header, {
      decide: () => ({ mark: "tag", tag, reason: "" }),
      by: "ann",
      now: at,
      signal,
    });
  await say(scratch.store, "ours");
  const racing: ObjectStore = {
    ...to,
    put: async (key, body, options) => {
      if (key === markKey(header, 1)) await say(to, "hers");
      return await to.put(key, body, options);
    },
  };
  const { failures } = await sync(scratch, racing);
  assert.match(failures[0]?.what ?? "", /other bytes/);
});
