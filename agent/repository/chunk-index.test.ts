import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { newRandomId } from "./identifier.ts";

const entry = (offset: number) => ({ id: randomBytes(32), offset, stored: 31, bytes: 10 });

test("ChunkIndex finds the chunks of the packs it was told of, from every connection", async () => {
  await using folder = await makeScratchFolder("index");
  const path = join(folder.path, "index.sqlite");
  using index = new ChunkIndex(path);
  using other = new ChunkIndex(path);
  const [pack, entries] = [newRandomId(), [entry(8), entry(39)]];
  index.addPack({ pack, size: 200 }, entries);
  for (const { id, ...place } of entries)
    assert.deepEqual(other.find(id), { pack, ...place, id: id.toString("hex") });
  assert.equal(other.find(randomBytes(32)), undefined);
  assert.deepEqual(other.packs(), [{ pack, size: 200 }]);
});

test("ChunkIndex keeps the first place of a chunk, and forgets it with its pack", async () => {
  await using folder = await makeScratchFolder("index");
  using index = new ChunkIndex(join(folder.path, "index.sqlite"));
  const [first, second] = [newRandomId(), newRandomId()];
  const [shared, own] = [entry(8), entry(39)];
  index.addPack({ pack: first, size: 100 }, [shared]);
  index.addPack({ pack: second, size: 100 }, [{ ...shared, offset: 500 }, own]);
  assert.equal(index.find(shared.id)?.pack, first);
  index.dropPacks([first]);
  assert.equal(index.find(shared.id), undefined);
  assert.equal(index.find(own.id)?.pack, second);
  assert.deepEqual(index.packs(), [{ pack: second, size: 100 }]);
});

test("ChunkIndex adds a pack with all its chunks or not at all", async () => {
  await using folder = await makeScratchFolder("index");
  using index = new ChunkIndex(join(folder.path, "index.sqlite"));
  const good = entry(8);
  const bad = { ...entry(39), stored: 1.5 };
  const adding = () => index.addPack({ pack: newRandomId(), size: 100 }, [good, bad]);
  assert.throws(adding, { code: "system-failed" });
  assert.equal(index.find(good.id), undefined);
  assert.deepEqual(index.packs(), []);
});

test("ChunkIndex says which file is damaged", async () => {
  await using folder = await makeScratchFolder("index");
  const path = join(folder.path, "index.sqlite");
  await writeFile(path, randomBytes(8192));
  const damage = { code: "system-failed", message: new RegExp(path) };
  assert.throws(() => new ChunkIndex(path), damage);
});
