import assert from "node:assert/strict";
import { test } from "node:test";
import { makePruneScratch, day } from "../prune/prune-scratch.ts";
import { manifestKey } from "../repository/object-key.ts";
import { findStates } from "./find-states.ts";
import { holdBackup } from "./hold-backup.ts";
import { tagBackup, undeleteBackup } from "./mark-backup.ts";

const { signal } = new AbortController();

test("findStates() tells what is there, deleted, removed and missing", async () => {
  await using of = await makePruneScratch();
  const made = [];
  for (let n = 0; n < 6; n++) made.push(await of.backUp());
  const [gone, deleted, undeleted, lost, held, last] = made;
  assert.ok(gone && deleted && undeleted && lost && held && last);
  of.pass(2 * day);
  await of.remove(gone, { window: 0 });
  await of.prune();
  await of.remove(deleted);
  await of.remove(undeleted);
  await undeleteBackup(undeleted, of.marking());
  await holdBackup(held, { ...of.marking(), reason: "case 7" });
  await tagBackup(last, { ...of.marking(), tag: "v1", remove: false });
  await of.store.delete(manifestKey(lost), { signal });
  const { id: repository } = of.scratch.repository;
  const ids = made.map(({ id }) => id);
  const states = await findStates(of.store, ids, { repository, signal });
  assert.deepEqual(
    states.map(({ state, hold, tags }) => [state, hold, tags]),
    [
      ["removed", "", []],
      ["deleted", "", []],
      ["there", "", []],
      ["missing", "", []],
      ["there", "case 7", []],
      ["there", "", ["v1"]],
    ],
  );
  const found = states.find(({ id }) => id === deleted.id);
  assert.ok(found?.state === "deleted");
  assert.equal(+found.until, +of.clock.now + 7 * day);
});

test("findStates() refuses a repository that has never had any of the backups", async () => {
  await using of = await makePruneScratch();
  await of.backUp();
  const { id: repository } = of.scratch.repository;
  const ask = (ids: string[]) => findStates(of.store, ids, { repository, signal });
  await assert.rejects(ask(["20261120T101530Z-k3v9x0ap"]), { code: "config-invalid" });
  assert.deepEqual(await ask([]), []);
});
