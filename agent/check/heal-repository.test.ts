import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { Secret } from "../../core/secret.ts";
import { addRecipient, removeRecipient } from "../keys/change-recipients.ts";
import { rotateEpochs } from "../keys/rotate-epochs.ts";
import { generateIdentity } from "../repository/identity.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { encodeHeader } from "../repository/manifest-bytes.ts";
import { markKey } from "../repository/object-key.ts";
import { type NewMark, putMark } from "../repository/put-mark.ts";
import { fileRecipient } from "../repository/recipient.ts";
import { loadState } from "../repository/state-file.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { checkRepository } from "./check-repository.ts";
import type { Finding } from "./finding.ts";
import { type HealRequest, healRepository } from "./heal-repository.ts";

interface Scratch extends ScratchRepository {
  headers: BackupHeader[];
  /** The objects of a copy. */
  copied: Map<string, Uint8Array>;
  /** Keys of the first backup's objects, one of every kind. */
  keys: string[];
}

async function makeTwo(): Promise<Scratch> {
  const scratch = await makeScratchRepository();
  const headers: BackupHeader[] = [];
  for (let n = 0; n < 2; n++) {
    const at = new Date(scratch.now.getTime() + n * 1000);
    const streams = [[randomBytes(1000), randomBytes(1000)], [randomBytes(1000)]];
    headers.push((await backUp(scratch, { streams, at, isLogical: true, packBytes: 1500 })).header);
  }
  const [first] = headers;
  const keys = [
    `7312/backups/${first?.id}/manifest`,
    `7312/backups/${first?.id}/map-0`,
    `7312/packs/${first?.epoch}/${first?.packs[0]?.pack}`,
    `7312/epochs/${first?.epoch}.age`,
  ];
  return { ...scratch, headers, keys, copied: new Map(scratch.objects) };
}

async function findAll({ store, repository, identity }: ScratchRepository): Promise<Finding[]> {
  const request = { store, repository, identity, depth: { kind: "full" as const }, signal };
  for await (const event of checkRepository(
    { ...request, isPartialCopy: false },
    { at: new Date() },
  ))
    if (event.kind === "finished") return event.result.findings;
  throw new Error("no result");
}

async function heal(scratch: Scratch, changes: Partial<HealRequest> = {}) {
  const { store, repository, identity, copied } = scratch;
  const findings = await findAll(scratch);
  const copy = createMemoryStore(copied);
  const parts = { store, copy, repository, identity, findings, isDryRun: false, signal };
  return await Array.fromAsync(healRepository({ ...parts, ...changes }));
}

function flip(objects: Map<string, Uint8Array>, key: string, share = 0.4): void {
  const bytes = Buffer.from(objects.get(key) ?? []);
  bytes[Math.floor(bytes.length * share)] = (bytes[Math.floor(bytes.length * share)] ?? 0) ^ 1;
  objects.set(key, bytes);
}

function assertHealed({ objects, copied }: Scratch): void {
  assert.deepEqual([...objects.keys()].toSorted(), [...copied.keys()].toSorted());
  for (const [key, bytes] of copied)
    assert.equal(Buffer.compare(bytes, objects.get(key) ?? Buffer.alloc(0)), 0, key);
}

const ways: Record<string, (objects: Map<string, Uint8Array>, key: string) => void> = {
  missing: (objects, key) => objects.delete(key),
  flipped: (objects, key) => flip(objects, key),
  truncated: (objects, key) =>
    objects.set(key, (objects.get(key) ?? Buffer.alloc(0)).subarray(0, 100)),
};

for (const [way, spoil] of Object.entries(ways))
  test(`healRepository() puts back what is ${way}, of every kind, and proves it before`, async () => {
    await using scratch = await makeTwo();
    for (const key of scratch.keys) {
      spoil(scratch.objects, key);
      const would = await heal(scratch, { isDryRun: true });
      assert.deepEqual(
        would.map(({ object, state }) => [object, state]),
        [[key, "healable"]],
      );
      const [done] = await heal(scratch);
      assert.equal(done?.state, "healed");
      const isSealed = key.includes("/packs/") || key.includes("/epochs/");
      assert.equal(done?.state === "healed" && done.proof, isSealed ? "opened" : "signed");
      assertHealed(scratch);
    }
  });

test("healRepository() puts back everything at once", async () => {
  await using scratch = await makeTwo();
  for (const key of scratch.objects.keys())
    if (key !== "repository.json") scratch.objects.delete(key);
  scratch.objects.set(
    scratch.keys[0] ?? "",
    scratch.copied.get(scratch.keys[0] ?? "") ?? Buffer.alloc(0),
  );
  const healed = await heal(scratch);
  assert.ok(healed.length > 3 && healed.every(({ state }) => state === "healed"));
  const left = [...scratch.copied.keys()].filter((key) => !scratch.objects.has(key));
  // Of the second backup, nothing in the repository tells: it is copied, not healed.
  assert.ok(
    left.every((key) => key.includes(scratch.headers[1]?.id ?? "") || key.includes("/packs/")),
  );
});

test("healRepository() that is cut at any call leaves what the next one heals", async () => {
  for (const way of ["missing", "flipped"] as const)
    for (let n = 0, ended = false; !ended; n++) {
      await using scratch = await makeTwo();
      for (const key of scratch.keys.slice(1)) ways[way]?.(scratch.objects, key);
      ended = true;
      const store = createFaultyStore(scratch.store, (call) => {
        if (call.n < n) return;
        ended = false;
        throw new Error("cut");
      });
      await heal(scratch, { store }).catch((error: Error) => assert.equal(error.message, "cut"));
      // What a lost key hides is found when the key is back.
      for (let runs = 0; (await heal(scratch)).length > 0; runs++) assert.ok(runs < 3);
      assertHealed(scratch);
    }
});

test("healRepository() puts back an epoch's key that looks sealed to somebody else", async () => {
  await using scratch = await makeTwo();
  const key = scratch.keys.find((one) => one.includes("/epochs/")) ?? "";
  // Within the stanza of the recipient.
  const bytes = Buffer.from(scratch.objects.get(key) ?? []);
  bytes[100] = bytes[100] === 0x41 ? 0x42 : 0x41;
  scratch.objects.set(key, bytes);
  assert.deepEqual(
    (await findAll(scratch)).map(({ kind }) => kind),
    ["unopenable"],
  );
  assert.deepEqual(
    (await heal(scratch)).map(({ object, state }) => [object, state]),
    [[key, "healed"]],
  );
  assertHealed(scratch);
});

test("healRepository() with a stranger's key leaves the epochs' keys as they are", async () => {
  await using scratch = await makeTwo();
  const { identity } = await generateIdentity();
  const [done, ...more] = await heal({ ...scratch, identity });
  assert.match(done?.state === "not-healed" ? done.why : "", /^another key is needed/);
  assert.equal(more.length, 0);
  assertHealed(scratch);
});

test("healRepository() brings no sealing back that a rotation has ended", async () => {
  await using scratch = await makeTwo();
  const { store, repository, recipient, identity, objects } = scratch;
  const fresh = await generateIdentity();
  const parts = { store, repository, signal };
  const ours = fileRecipient(fresh.recipient, { now: scratch.now });
  const added = await addRecipient(parts, ours);
  const changed = await removeRecipient({ ...parts, repository: added }, recipient);
  const both = new Secret(`${identity.reveal()}\n${fresh.identity.reveal()}`);
  const rotation = { ...parts, repository: changed, list: changed.list, identity: both };
  await Array.fromAsync(rotateEpochs(rotation));
  const before = new Map(objects);
  const [done] = await heal(scratch);
  assert.match(done?.state === "not-healed" ? done.why : "", /^another key is needed/);
  assert.deepEqual(objects, before);
});

test("healRepository() removes nothing when the copy is no better", async () => {
  await using scratch = await makeTwo();
  for (const key of scratch.keys) {
    const good = scratch.objects.get(key) ?? Buffer.alloc(0);
    flip(scratch.objects, key, 0.3);
    flip(scratch.copied, key, 0.5);
    const before = scratch.objects.get(key);
    const [done] = await heal(scratch);
    assert.equal(done?.state, "not-healed", key);
    assert.equal(scratch.objects.get(key), before);
    scratch.copied.delete(key);
    const [again] = await heal(scratch);
    assert.match(again?.state === "not-healed" ? again.why : "", /in the copy: it is not there/);
    scratch.objects.set(key, good);
    scratch.copied.set(key, good);
  }
});

test("healRepository() takes no manifest that the one after it does not know", async () => {
  await using scratch = await makeTwo();
  const [key = ""] = scratch.keys;
  const [first] = scratch.headers;
  assert.ok(first);
  const folder = join(scratch.stateDir, scratch.repository.id, "7312");
  const saved = await loadState(folder);
  assert.ok(saved);
  const body = Buffer.from(scratch.objects.get(key) ?? []).subarray(-first.body.size);
  // Signed by the right host, for the right place; but not what the second backup followed.
  const other = encodeHeader(
    { ...first, finished: first.started.replace(".000Z", ".001Z") },
    saved.signer,
  );
  scratch.objects.delete(key);
  scratch.copied.set(key, Buffer.concat([other.bytes, body]));
  const [done] = await heal(scratch);
  assert.match(
    done?.state === "not-healed" ? done.why : "",
    /not the one that the backup after it/,
  );
  assert.ok(!scratch.objects.has(key));
});

test("healRepository() without a key says that it proved a pack by its size only", async () => {
  await using scratch = await makeTwo();
  ways["missing"]?.(scratch.objects, scratch.keys[2] ?? "");
  const [done] = await heal(scratch, { identity: undefined });
  assert.equal(done?.state === "healed" && done.proof, "size only");
});

test("healRepository() tells until when a lock keeps what is damaged", async () => {
  await using scratch = await makeTwo();
  const key = scratch.keys[1] ?? "";
  flip(scratch.objects, key);
  const until = new Date(Date.now() + 1e8);
  await scratch.store.locks?.retain(key, { mode: "compliance", until }, { signal });
  const [done] = await heal(scratch);
  assert.ok(done?.state === "not-healed" && done.why.includes(until.toISOString()));
});

test("healRepository() leaves no temporary file behind", async () => {
  await using scratch = await makeTwo();
  for (const key of scratch.keys) flip(scratch.objects, key);
  await heal(scratch);
  assert.deepEqual(
    (await readdir(tmpdir())).filter((name) => name.startsWith("dbctl-heal-")),
    [],
  );
});

test("healRepository() takes no deletion over that only the copy knows of", async () => {
  for (const said of ["delete", "release", "remove"] as const) {
    await using scratch = await makeTwo();
    const [header] = scratch.headers;
    assert.ok(header);
    const add = (mark: NewMark, objects = scratch.objects) =>
      putMark(createMemoryStore(objects), header, {
        decide: () => mark,
        by: "ann",
        now: new Date(),
        signal,
      });
    await add({ mark: "hold", reason: "" });
    const copied = new Map(scratch.objects);
    await add({ mark: "tag", tag: "a", reason: "" });
    const here = markKey(header, 2);
    flip(scratch.objects, here, 0);
    await add({ mark: said, reason: "", ...(said === "delete" ? { window: 0 } : {}) }, copied);
    const [healed] = await heal({ ...scratch, copied });
    assert.deepEqual([healed?.object, healed?.state], [here, "not-healed"], said);
  }
});

test("healRepository() puts a mark back when a later one proves it", async () => {
  await using scratch = await makeTwo();
  const [header] = scratch.headers;
  assert.ok(header);
  const options = { by: "ann", now: new Date(), signal };
  for (const mark of [
    { mark: "delete" as const, window: 60, reason: "" },
    { mark: "undelete" as const, reason: "" },
  ])
    await putMark(scratch.store, header, { ...options, decide: () => mark });
  const copied = new Map(scratch.objects);
  scratch.objects.delete(markKey(header, 1));
  const [healed] = await heal({ ...scratch, copied });
  assert.equal(healed?.state, "healed");
  assertHealed({ ...scratch, copied });
});
