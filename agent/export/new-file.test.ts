import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { NewFile, NewFolder } from "./new-file.ts";

test("a file is there only when it is committed, for its owner alone", async () => {
  await using folder = await makeScratchFolder("new-file");
  const path = join(folder.path, "out");
  {
    await using file = await NewFile.create(path);
    await file.write(Buffer.from("half"));
  }
  assert.deepEqual(await readdir(folder.path), []);
  {
    await using file = await NewFile.create(path);
    await file.write(Buffer.from("who"));
    await file.write(Buffer.from("le"));
    assert.equal((await readdir(folder.path)).includes("out"), false);
    await file.commit();
    assert.equal(file.bytes, 5);
  }
  assert.equal(await readFile(path, "utf8"), "whole");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder.path), ["out"]);
});

test("what is there, or comes there meanwhile, is never replaced", async () => {
  await using folder = await makeScratchFolder("new-file");
  const path = join(folder.path, "out");
  {
    await using file = await NewFile.create(path);
    await writeFile(path, "another's");
    await assert.rejects(file.commit(), { code: "target-exists" });
  }
  await assert.rejects(NewFile.create(path), { code: "target-exists" });
  assert.equal(await readFile(path, "utf8"), "another's");
  await assert.rejects(NewFile.create(join(folder.path, "no", "out")), {
    code: "file-missing",
    message: /out: its folder is not there$/,
  });
  const kept = join(folder.path, "kept");
  {
    await using made = await NewFolder.create(kept);
    await mkdir(kept);
    await assert.rejects(made.commit(), { code: "target-exists" });
  }
  assert.deepEqual((await readdir(folder.path)).toSorted(), ["kept", "out"]);
});

test("a folder is there only when it is committed, with all that is in it", async () => {
  await using folder = await makeScratchFolder("new-file");
  const path = join(folder.path, "out");
  await using made = await NewFolder.create(path);
  {
    await using file = await NewFile.create(join(made.part, "a"));
    await file.commit();
  }
  assert.ok(!(await readdir(folder.path)).includes("out"));
  await made.commit();
  assert.deepEqual(await readdir(path), ["a"]);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
});
