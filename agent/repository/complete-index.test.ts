import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createFaultyStore, forbidden } from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { rebuildIndex } from "./host-state.ts";

const chunks = Array.from({ length: 6 }, () => randomBytes(1000));
const streams = [chunks.slice(0, 4), chunks.slice(4)];

async function indexFiles({ stateDir, repository }: ScratchRepository): Promise<string[]> {
  const folder = join(stateDir, repository.id, "7312");
  const names = (await readdir(folder)).filter((name) => name.startsWith("index-"));
  return names.map((name) => join(folder, name));
}

async function loseIndex(scratch: ScratchRepository): Promise<void> {
  for (const path of await indexFiles(scratch)) await rm(path);
}

test("a host whose index was lost makes it anew from the packs, and stores nothing twice", async () => {
  await using scratch = await makeScratchRepository();
  const first = await backUp(scratch, { streams, packBytes: 2000 });
  await loseIndex(scratch);
  const second = await backUp(scratch, { streams, packBytes: 2000 });
  assert.deepEqual([second.newBytes, second.packs], [0, 0]);
  assert.equal(second.header.epoch, first.header.epoch);
});

test("a host whose index was lost and that may not read stores everything again", async () => {
  await using scratch = await makeScratchRepository();
  await backUp(scratch, { streams, packBytes: 2000 });
  await loseIndex(scratch);
  const store = createFaultyStore(scratch.store, ({ method, key }) => {
    if (method !== "put") throw forbidden(key);
  });
  const second = await backUp(scratch, { streams, packBytes: 2000, store });
  assert.equal(second.newBytes, 6000);
});

test("a pack whose own index is damaged stays unknown; its chunks are stored again", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams, packBytes: 2000 });
  const key = `7312/packs/${header.epoch}/${header.packs[0]?.pack}`;
  const bytes = Buffer.from(scratch.objects.get(key) ?? []);
  bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
  scratch.objects.set(key, bytes);
  await loseIndex(scratch);
  const second = await backUp(scratch, { streams, packBytes: 2000 });
  assert.equal(second.newBytes, 2000);
});

test("rebuildIndex() makes an index anew that cannot be used any more", async () => {
  await using scratch = await makeScratchRepository();
  await backUp(scratch, { streams, packBytes: 2000 });
  for (const path of await indexFiles(scratch)) await writeFile(path, "no database at all");
  await assert.rejects(backUp(scratch, { streams }), { code: "system-failed" });
  const done = await rebuildIndex({ ...scratch, instance: "7312", signal });
  assert.deepEqual(done, { dropped: 0, added: 3, unreadable: [] });
  assert.equal((await backUp(scratch, { streams })).newBytes, 0);
  assert.equal(await rebuildIndex({ ...scratch, instance: "99", signal }), undefined);
});

test("rebuildIndex() keeps the index of a host that may not read", async () => {
  await using scratch = await makeScratchRepository();
  await backUp(scratch, { streams });
  const before = await indexFiles(scratch);
  for (const denied of ["list", "get"]) {
    const store = createFaultyStore(scratch.store, ({ method, key }) => {
      if (method === denied) throw forbidden(key);
    });
    const rebuild = rebuildIndex({ ...scratch, store, instance: "7312", signal });
    await assert.rejects(rebuild, { code: "store-denied" });
    assert.ok((await indexFiles(scratch)).includes(before[0] ?? "-"));
  }
  assert.equal((await backUp(scratch, { streams })).newBytes, 0);
});
