import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  brokenDisk,
  createFaultyStore,
  type Fault,
  forbidden,
} from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { checkBackup, type CheckOptions, type Damage } from "./check-backup.ts";
import type { BackupHeader } from "./manifest.ts";
import { openBackup } from "./open-backup.ts";
import { encodePackTail, readPackIndex } from "./pack.ts";

const [a, b, c] = [randomBytes(1000), randomBytes(1000), randomBytes(1000)];
const streams = [[a, b], [c], [b, c, b]];

/** Opens the backup, then lets `fault` happen to what the check does. */
async function check(
  scratch: ScratchRepository,
  header: BackupHeader,
  { level, fault = () => {} }: { level: CheckOptions["level"]; fault?: Fault },
) {
  let opened = false;
  const store = createFaultyStore(scratch.store, (call) => {
    if (opened) fault(call);
  });
  const keys = { identity: scratch.identity };
  const backup = await openBackup({ ...scratch, store, header, keys, signal });
  opened = true;
  const damages: Damage[] = [];
  const objects: string[] = [];
  let [bytes, chunks] = [0, 0];
  for await (const event of checkBackup(backup, { level, signal })) {
    if (event.kind === "damage") {
      damages.push(event.damage);
      continue;
    }
    objects.push(event.object);
    bytes += event.bytes;
    chunks += event.chunks;
  }
  return { damages, objects, bytes, chunks };
}

function spoil({ objects }: ScratchRepository, key: string, at: number): void {
  const bytes = Buffer.from(objects.get(key) ?? []);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  objects.set(key, bytes);
}

test("checkBackup() finds nothing in a healthy backup, and decodes each chunk once", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams, packBytes: 1500 });
  const full = await check(scratch, header, { level: "full" });
  assert.deepEqual([full.damages, full.bytes, full.chunks], [[], 3000, 3]);
  assert.equal(full.objects.length, 1 + header.packs.length);
  const index = await check(scratch, header, { level: "index" });
  assert.deepEqual([index.damages, index.chunks], [[], 0]);
});

test("checkBackup() names every damaged chunk with its place and its streams", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const object = `7312/packs/${header.epoch}/${header.packs[0]?.pack}`;
  spoil(scratch, object, 8 + 40);
  spoil(scratch, object, 8 + 2 * 1021 + 40);
  const { damages, chunks } = await check(scratch, header, { level: "full" });
  assert.deepEqual(
    damages.map(({ object, offset, streams }) => ({ object, offset, streams })),
    [
      { object, offset: 8, streams: [0] },
      { object, offset: 8 + 2 * 1021, streams: [1, 2] },
    ],
  );
  assert.equal(chunks, 1);
  assert.deepEqual((await check(scratch, header, { level: "index" })).damages, []);
});

test("checkBackup() names every object that is gone or has another size, index or full", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams, packBytes: 500 });
  const packs = header.packs.map(({ pack }) => `7312/packs/${header.epoch}/${pack}`);
  assert.equal(packs.length, 3);
  scratch.objects.delete(packs[0] ?? "");
  const cut = scratch.objects.get(packs[2] ?? "") ?? new Uint8Array();
  scratch.objects.set(packs[2] ?? "", cut.subarray(0, 900));
  for (const level of ["index", "full"] as const) {
    const { damages } = await check(scratch, header, { level });
    assert.deepEqual(new Set(damages.map(({ object }) => object)), new Set([packs[0], packs[2]]));
    const streamsOf = (pack = "") =>
      damages.filter(({ object }) => object === pack).flatMap((damage) => damage.streams);
    assert.deepEqual(new Set(streamsOf(packs[0])), new Set([0]));
    assert.deepEqual(new Set(streamsOf(packs[2])), new Set([1, 2]));
  }
});

test("checkBackup() names a damaged map with its streams, and a lost epoch key", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const object = `7312/backups/${header.id}/map-0`;
  spoil(scratch, object, 50);
  const fault: Fault = ({ method, key }) => {
    if (method === "head" && key.includes("/epochs/")) scratch.objects.delete(key);
  };
  const { damages } = await check(scratch, header, { level: "index", fault });
  assert.deepEqual(
    damages.map(({ object, streams }) => ({ object, streams })),
    [
      { object: `7312/epochs/${header.epoch}.age`, streams: [] },
      { object, streams: [0, 1, 2] },
    ],
  );
});

test("checkBackup() names a damaged pack index, which costs no stream", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const [pack] = header.packs;
  const object = `7312/packs/${header.epoch}/${pack?.pack}`;
  spoil(scratch, object, (pack?.size ?? 0) - 20);
  const { damages, chunks } = await check(scratch, header, { level: "full" });
  assert.deepEqual(
    damages.map(({ object, streams }) => [object, streams]),
    [[object, []]],
  );
  assert.equal(chunks, 3);
});

test("checkBackup() names a pack whose index speaks of another chunk", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const { pack, size } = header.packs[0] ?? { pack: "", size: 0 };
  const { epoch } = await openBackup({
    ...scratch,
    header,
    keys: { identity: scratch.identity },
    signal,
  });
  const entries = await readPackIndex({ ...scratch, epoch, signal }, { pack, size });
  const key = `7312/packs/${header.epoch}/${pack}`;
  const wrong = entries.map((entry, n) => (n === 1 ? { ...entry, id: randomBytes(32) } : entry));
  const { offset = 0, stored = 0 } = entries.at(-1) ?? {};
  const frames = Buffer.from(scratch.objects.get(key) ?? []).subarray(0, offset + stored);
  scratch.objects.set(key, Buffer.concat([frames, encodePackTail(epoch, pack, wrong)]));
  const { damages, chunks } = await check(scratch, header, { level: "full" });
  assert.deepEqual(
    damages.map((damage) => [damage.object, damage.offset, damage.streams]),
    [[key, entries[1]?.offset, []]],
  );
  assert.equal(chunks, 3);
});

test("checkBackup() takes a disk that cannot be read for damage, and goes on", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams, packBytes: 500 });
  const bad = header.packs[1]?.pack ?? "";
  const fault: Fault = ({ method, key }) => {
    if (method === "get" && key.endsWith(bad)) throw brokenDisk(key);
  };
  const { damages, chunks } = await check(scratch, header, { level: "full", fault });
  assert.deepEqual(new Set(damages.map(({ object }) => object.split("/").at(-1))), new Set([bad]));
  assert.equal(chunks, 2);
});

test("checkBackup() throws what is no damage", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  for (const method of ["head", "list", "get"]) {
    const fault: Fault = (call) => {
      if (call.method === method) throw forbidden(call.key);
    };
    await assert.rejects(check(scratch, header, { level: "full", fault }), {
      code: "store-denied",
    });
  }
});
