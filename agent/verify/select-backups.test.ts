import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  backUp,
  makeScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { selectBackups } from "./select-backups.ts";

test("selectBackups() tells a database's name from an id after its server's", async () => {
  await using scratch = await makeScratchRepository();
  const backUpOne = async () => (await backUp(scratch, { streams: [[randomBytes(10)]] })).header;
  const [first, second] = [await backUpOne(), await backUpOne()];
  const select = async (name: string) => {
    const selection = { name, instance: undefined, all: false };
    const found = await selectBackups(scratch.store, selection, { signal });
    return found.map(({ id }) => id);
  };
  const both = [first.id, second.id].toSorted();
  assert.deepEqual((await select("h/shop")).toSorted(), both);
  assert.deepEqual((await select("h/")).toSorted(), both);
  assert.deepEqual(await select(`7312/${second.id}`), [second.id]);
  await assert.rejects(select(`7313/${second.id}`), { code: "backup-unknown" });
});
