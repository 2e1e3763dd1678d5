import assert from "node:assert/strict";
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import { createFilesystemStore } from "./filesystem-store.ts";

const { signal } = new AbortController();

test("put() has synced the object and all new folders before it resolves", async (t) => {
  await using folder = await makeScratchFolder("store");
  const synced: { inode: number; size: number }[] = [];
  await using any = await open(folder.path, "r");
  const handles = Object.getPrototypeOf(any) as FileHandle;
  const sync = Reflect.get(handles, "sync") as (this: FileHandle) => Promise<void>;
  t.mock.method(handles, "sync", async function (this: FileHandle) {
    await sync.call(this);
    const { ino, size } = await this.stat();
    synced.push({ inode: ino, size });
  });
  const root = join(folder.path, "root");
  await createFilesystemStore(root).put("a/b/c", [Buffer.alloc(777)], { signal });
  const inodes = synced.map(({ inode }) => inode);
  const inodeOf = async (path: string) => (await stat(path)).ino;
  const file = await inodeOf(join(root, "a/b/c"));
  assert.equal(synced.find(({ inode }) => inode === file)?.size, 777);
  for (const path of [folder.path, root, join(root, "a")])
    assert.ok(inodes.includes(await inodeOf(path)), path);
  // The entry of the object comes last: it is what commits.
  assert.equal(inodes.at(-1), await inodeOf(join(root, "a/b")));
});
