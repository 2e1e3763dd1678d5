import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { listBackups } from "./list-backups.ts";
import {
  backUp,
  makeScratchRepository,
  readBack,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";

test("a backup reads back as it was written", async () => {
  await using scratch = await makeScratchRepository();
  const streams = [[randomBytes(5000), Buffer.alloc(9000, "ab")], [], [Buffer.from("x")]];
  const { header } = await backUp(scratch, { streams });
  const listed = await Array.fromAsync(listBackups(scratch.store, { signal }));
  assert.deepEqual(listed, [header]);
  const read = await readBack(scratch, header);
  assert.deepEqual(
    read,
    streams.map((chunks) => Buffer.concat(chunks)),
  );
});
