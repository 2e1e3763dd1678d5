import assert from "node:assert/strict";
import { test } from "node:test";
import { makeScratchRepository, signal } from "../../integration/fixtures/scratch-repository.ts";
import { encodeMark } from "../repository/mark.ts";
import {
  endedKey,
  markKey,
  recipientsKey,
  removedKey,
  resealedKey,
} from "../repository/object-key.ts";
import { putMark } from "../repository/put-mark.ts";
import { putRecipientList } from "../repository/recipient-list.ts";
import { putRemoval } from "../repository/removal.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { readControl } from "./check-control.ts";
import { healRepository } from "./heal-repository.ts";

const [instance, id] = ["7312", "20261120T100000Z-k3v9x0ap"];
const backup = { instance, id };
const now = new Date("2026-11-20T12:00:00.000Z");

/** A repository with two lists, three marks and a removal, in memory. */
async function makeControl() {
  const scratch = await makeScratchRepository();
  const { store, repository, objects } = scratch;
  const place = { repository: repository.id, ...backup };
  for (const after of [0, 1])
    await putRecipientList(store, { ...repository, repository: repository.id, after }, { signal });
  for (const mark of ["hold", "release", "hold"] as const) {
    const decide = () => ({ mark, reason: "test" });
    await putMark(store, place, { decide, by: "test", now, signal });
  }
  const about = { instance, backup: id, epoch: id, signer: "0".repeat(64), hash: "1".repeat(64) };
  const removal = {
    format: 1,
    repository: repository.id,
    sequence: 1,
    at: now.toISOString(),
    by: "test",
  } as const;
  await putRemoval(store, { ...about, ...removal }, { signal });
  for (const key of [resealedKey({ instance, epoch: id }, 1), endedKey({ instance, epoch: id })])
    objects.set(key, Buffer.from("x"));
  const check = async () => {
    const { findings } = await readControl(store, { repository: repository.id, signal });
    return findings.map(({ kind, object }) => `${kind} ${object}`);
  };
  return { ...scratch, check };
}

test("readControl() finds nothing wrong with lists, marks, removals and sealings", async () => {
  await using scratch = await makeControl();
  const facts = await readControl(scratch.store, { repository: scratch.repository.id, signal });
  assert.deepEqual(facts.findings, []);
  assert.deepEqual([...facts.marks.keys(), ...facts.removed.keys()], [`7312/${id}`, `7312/${id}`]);
  assert.equal(facts.marks.get(`7312/${id}`)?.held?.by, "test");
  assert.ok(facts.sealed.has(`7312/${id}`));
});

type Scratch = Awaited<ReturnType<typeof makeControl>>;
const damages: [name: string, spoil: (scratch: Scratch) => void, named: string[]][] = [
  [
    "a list is missing",
    ({ objects }) => objects.delete(recipientsKey(1)),
    [`missing ${recipientsKey(1)}`],
  ],
  [
    "an earlier list stands in the place of a later one",
    ({ objects }) =>
      objects.set(recipientsKey(2), objects.get(recipientsKey(1)) ?? Buffer.alloc(0)),
    [`swapped ${recipientsKey(2)}`],
  ],
  [
    "a list is flipped",
    ({ objects }) => objects.set(recipientsKey(2), Buffer.from("{")),
    [`flipped ${recipientsKey(2)}`],
  ],
  [
    "a mark is missing",
    ({ objects }) => objects.delete(markKey(backup, 2)),
    [`missing ${markKey(backup, 2)}`],
  ],
  [
    "a mark is flipped",
    ({ objects }) => objects.set(markKey(backup, 1), Buffer.from("no")),
    [`flipped ${markKey(backup, 1)}`],
  ],
  [
    "a mark is another repository's",
    ({ objects }) => {
      const mark = JSON.parse(String(objects.get(markKey(backup, 3))));
      objects.set(markKey(backup, 3), encodeMark({ ...mark, repository: "0".repeat(32) }));
    },
    [`foreign ${markKey(backup, 3)}`],
  ],
  [
    "a removal is flipped",
    ({ objects }) => objects.set(removedKey(backup), Buffer.from("[]")),
    [`flipped ${removedKey(backup)}`],
  ],
  [
    "there is a stranger",
    ({ objects }) => objects.set("~control/what", Buffer.from("")),
    ["foreign ~control/what"],
  ],
];

for (const [name, spoil, named] of damages)
  test(`readControl() names the object when ${name}, and a copy heals it`, async () => {
    await using scratch = await makeControl();
    const { store, objects, repository } = scratch;
    const copied = new Map(objects);
    spoil(scratch);
    assert.deepEqual(await scratch.check(), named);
    const { findings } = await readControl(store, { repository: repository.id, signal });
    const copy = createMemoryStore(copied);
    const parts = { store, copy, repository, identity: undefined, isDryRun: false, signal };
    const healed = await Array.fromAsync(healRepository({ ...parts, findings }));
    const isCurable = !named.some((one) => one.startsWith("foreign"));
    assert.ok(
      healed.every(({ state }) => (state === "healed") === isCurable),
      JSON.stringify(healed),
    );
    assert.deepEqual(await scratch.check(), isCurable ? [] : named);
  });
