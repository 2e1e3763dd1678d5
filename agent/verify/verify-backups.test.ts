import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import type { CheckDepth } from "../repository/check-depth.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { selectBackups } from "./select-backups.ts";
import { verifyBackups } from "./verify-backups.ts";
import { collectVerifyResult } from "./verify-result.ts";

interface Options {
  depth?: CheckDepth;
  store?: ObjectStore;
  hasKey?: boolean;
}

async function verify(
  scratch: ScratchRepository,
  headers: BackupHeader[],
  { depth = { kind: "full" }, store = scratch.store, hasKey = true }: Options = {},
) {
  const keys = hasKey ? { identity: scratch.identity } : undefined;
  const request = { ...scratch, store, headers, keys, depth, signal };
  return await collectVerifyResult(request, verifyBackups(request), { at: new Date() });
}

/** Backups that share most of their chunks; one in a second epoch. */
async function makeThree(): Promise<ScratchRepository & { headers: BackupHeader[] }> {
  const scratch = await makeScratchRepository();
  const shared = Array.from({ length: 40 }, () => randomBytes(400));
  const headers: BackupHeader[] = [];
  for (let n = 0; n < 3; n++) {
    const at = new Date(scratch.now.getTime() + n * 1000);
    const streams = [shared, [...shared.slice(0, 5), randomBytes(300)], [randomBytes(200)]];
    const spec = { streams, at, fresh: n === 2, isLogical: true, packBytes: 4000 };
    headers.push((await backUp(scratch, spec)).header);
  }
  return { ...scratch, headers };
}

test("verifyBackups() reads what several backups share once", async () => {
  await using scratch = await makeThree();
  const read = new Map<string, number>();
  const store = createFaultyStore(scratch.store, ({ method, key }) => {
    if (method === "get" && key.includes("/packs/")) read.set(key, (read.get(key) ?? 0) + 1);
  });
  const { checkedChunks, checkedBytes, damages, backups } = await verify(scratch, scratch.headers, {
    store,
  });
  // 40 shared chunks and 2 of each backup in one epoch, 42 in the other.
  assert.deepEqual([checkedChunks, damages], [44 + 42, []]);
  assert.equal(checkedBytes, 2 * 40 * 400 + 3 * (300 + 200));
  assert.ok(backups.every(({ ok, restorable }) => ok && restorable === "whole"));
  // Beginning, end, index, and the frames in one run or two where a chunk of another kind lies between.
  assert.ok(
    [...read.values()].every((times) => times <= 5),
    [...read.values()].join(),
  );
});

test("verifyBackups() takes a sample of each table at least, the same for the same seed", async () => {
  await using scratch = await makeThree();
  const [first] = scratch.headers;
  assert.ok(first);
  const sample = async (percent: number, seed: string) => {
    const read: string[] = [];
    const store = createFaultyStore(scratch.store, ({ method, key }) => {
      if (method === "get") read.push(key);
    });
    const depth = { kind: "sample", percent, seed } as const;
    const result = await verify(scratch, [first], { depth, store });
    return { chunks: result.checkedChunks, depth: result.depth, read };
  };
  const small = await sample(0.001, "a");
  // One of each of the three tables; two of them share chunks, and one chunk may stand for both.
  assert.ok(small.chunks >= 2 && small.chunks < 20, String(small.chunks));
  assert.equal(small.depth, "sample=0.001%");
  assert.deepEqual(await sample(0.001, "a"), small);
  const half = await Promise.all(["a", "b", "c", "d"].map((seed) => sample(50, seed)));
  const mean = half.reduce((sum, { chunks }) => sum + chunks, 0) / 4;
  assert.ok(mean > 14 && mean < 32, String(mean));
  assert.equal((await sample(100, "a")).chunks, 42);
});

test("verifyBackups() names tables and backups of every damage, with its place", async () => {
  await using scratch = await makeThree();
  const [first, second, third] = scratch.headers;
  assert.ok(first && second && third);
  const pack = first.packs[0]?.pack ?? "";
  const key = `7312/packs/${first.epoch}/${pack}`;
  const bytes = Buffer.from(scratch.objects.get(key) ?? []);
  bytes[8 + 10] = (bytes[8 + 10] ?? 0) ^ 1;
  scratch.objects.set(key, bytes);
  const { damages, backups } = await verify(scratch, scratch.headers);
  assert.deepEqual(
    damages.map(({ object, offset, backups: hit }) => [
      object,
      offset,
      hit.map(({ id, tables }) => [id, tables]),
    ]),
    [[key, 8, [first, second].map(({ id }) => [id, ["public.t0", "public.t1"]])]],
  );
  assert.deepEqual(
    backups.map(({ restorable }) => restorable),
    ["other tables", "other tables", "whole"],
  );
});

test("verifyBackups() at quick needs no key and reads no pack", async () => {
  await using scratch = await makeThree();
  const store = createFaultyStore(scratch.store, ({ method, key }) => {
    assert.ok(method !== "get" || key.endsWith("/manifest"), key);
  });
  const depth = { kind: "quick" } as const;
  const whole = await verify(scratch, scratch.headers, { depth, store, hasKey: false });
  assert.deepEqual(whole.damages, []);
  const key = `7312/packs/${scratch.headers[2]?.epoch}/${scratch.headers[2]?.packs[0]?.pack}`;
  scratch.objects.set(key, (scratch.objects.get(key) ?? Buffer.alloc(0)).subarray(1));
  const { damages, backups } = await verify(scratch, scratch.headers, { depth, hasKey: false });
  assert.deepEqual(
    damages.map(({ object, how }) => [object, how]),
    [[key, "truncated"]],
  );
  assert.deepEqual(
    backups.map(({ restorable }) => restorable),
    ["whole", "whole", "no"],
  );
});

test("verifyBackups() names lost packs whose map is lost as well", async () => {
  await using scratch = await makeThree();
  const third = scratch.headers[2];
  assert.ok(third);
  const lost = [
    `7312/backups/${third.id}/map-0`,
    ...third.packs.map(({ pack }) => `7312/packs/${third.epoch}/${pack}`),
  ];
  for (const key of lost) scratch.objects.delete(key);
  const { damages, backups } = await verify(scratch, scratch.headers);
  assert.deepEqual(new Set(damages.map(({ object }) => object)), new Set(lost));
  assert.deepEqual(
    backups.map(({ restorable }) => restorable),
    ["whole", "whole", "no"],
  );
});

test("verifyBackups() goes on with the other epochs when the key of one is lost", async () => {
  await using scratch = await makeThree();
  const key = `7312/epochs/${scratch.headers[0]?.epoch}.age`;
  scratch.objects.delete(key);
  const { damages, backups, checkedChunks } = await verify(scratch, scratch.headers);
  assert.deepEqual(
    damages.map(({ object }) => object),
    [key],
  );
  assert.equal(checkedChunks, 42);
  assert.deepEqual(
    backups.map(({ restorable }) => restorable),
    ["no", "no", "whole"],
  );
});

test("verifyBackups() refuses a key that opens none of them", async () => {
  await using scratch = await makeThree();
  await using other = await makeScratchRepository();
  const mixed = { ...scratch, identity: other.identity };
  await assert.rejects(verify(mixed, scratch.headers), { code: "identity-wrong" });
});

test("selectBackups() takes one backup, those of a database, a host or a server, or all", async () => {
  await using scratch = await makeThree();
  const { header } = await backUp(scratch, {
    streams: [[randomBytes(9)]],
    instance: "99",
    database: "crm",
  });
  const select = async (selection: Partial<Parameters<typeof selectBackups>[1]>) =>
    (await selectBackups(scratch.store, { all: false, ...selection }, { signal })).map(
      ({ id }) => id,
    );
  const ids = scratch.headers.map(({ id }) => id);
  const sorted = (all: string[]) => all.toSorted((a, b) => (a < b ? -1 : 1));
  assert.deepEqual(await select({ name: ids[1] ?? "" }), [ids[1]]);
  assert.deepEqual(await select({ name: "h/crm" }), [header.id]);
  assert.deepEqual(sorted(await select({ name: "h/" })), sorted([...ids, header.id]));
  assert.deepEqual(sorted(await select({ instance: "7312" })), sorted(ids));
  assert.equal((await select({ all: true })).length, 4);
  await assert.rejects(select({}), { code: "usage" });
  await assert.rejects(select({ name: "h/shop", all: true }), { code: "usage" });
  await assert.rejects(select({ name: "h/none" }), { code: "backup-unknown" });
});
