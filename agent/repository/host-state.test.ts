import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { createFaultyStore, forbidden } from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  readBack,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { openBackup } from "./open-backup.ts";

const day = 24 * 3600 * 1000;
const streams = [[randomBytes(3000), randomBytes(3000)]];

test("openHostState() keeps the epoch, and a second backup stores nothing again", async () => {
  await using scratch = await makeScratchRepository();
  const first = await backUp(scratch, { streams });
  const second = await backUp(scratch, { streams, at: new Date(+scratch.now + 29 * day) });
  assert.equal(second.header.epoch, first.header.epoch);
  assert.deepEqual([second.packs, second.newBytes], [0, 0]);
  assert.deepEqual(second.header.packs, first.header.packs);
  assert.deepEqual(await readBack(scratch, second.header), await readBack(scratch, first.header));
});

test("openHostState() begins a new epoch after 30 days, when asked, and without state", async () => {
  await using scratch = await makeScratchRepository();
  const backups = [
    await backUp(scratch, { streams }),
    await backUp(scratch, { streams, at: new Date(+scratch.now + 31 * day) }),
    await backUp(scratch, { streams, at: new Date(+scratch.now + 32 * day), fresh: true }),
  ];
  await rm(scratch.stateDir, { recursive: true });
  const lost = await backUp(scratch, { streams, at: new Date(+scratch.now + 33 * day) });
  backups.push(lost);
  assert.equal(new Set(backups.map(({ header }) => header.epoch)).size, 4);
  for (const { header, newBytes } of backups) {
    assert.equal(newBytes, 6000);
    assert.deepEqual(await readBack(scratch, header), [Buffer.concat(streams[0] ?? [])]);
  }
});

test("HostState numbers manifests and links each to the one before", async () => {
  await using scratch = await makeScratchRepository();
  const headers = [];
  for (let n = 0; n < 3; n++)
    headers.push(
      (await backUp(scratch, { streams, at: new Date(+scratch.now + n * 1000) })).header,
    );
  assert.deepEqual(
    headers.map(({ sequence }) => sequence),
    [1, 2, 3],
  );
  assert.deepEqual(
    headers.map(({ previous }) => previous?.id),
    [undefined, headers[0]?.id, headers[1]?.id],
  );
});

test("HostState never uses a number twice, and finds out what a crash has committed", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const [id, hash] = ["20261120T100001Z-00000000", "ab".repeat(32)];
  {
    await using state = await scratch.hostOf();
    await state.reserve({ id, sequence: 2, hash });
  }
  {
    await using state = await scratch.hostOf();
    assert.deepEqual([state.last?.id, state.nextSequence], [header.id, 3]);
  }
  await scratch.store.put(`7312/backups/${id}/manifest`, [], { signal });
  await using state = await scratch.hostOf();
  assert.deepEqual([state.last?.id, state.nextSequence], [id, 3]);
});

test("openHostState() is busy while another holds the state, until that one is gone", async () => {
  await using scratch = await makeScratchRepository();
  {
    await using _ = await scratch.hostOf();
    await assert.rejects(scratch.hostOf(), { code: "busy", retryable: true });
    await using other = await scratch.hostOf({ instance: "7313" });
    assert.ok(other);
  }
  await using _ = await scratch.hostOf();
});

test("openHostState() is busy while another process lives, and free when it was killed", async () => {
  await using scratch = await makeScratchRepository();
  await (await scratch.hostOf())[Symbol.asyncDispose]();
  const lock = join(scratch.stateDir, scratch.repository.id, "7312", "lock.sqlite");
  const script = `
    import { lockFile } from ${JSON.stringify(import.meta.resolve("./process-lock.ts"))};
    globalThis.lock = lockFile(${JSON.stringify(lock)}, "it");
    process.stdout.write("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  try {
    await once(child.stdout, "data", { signal: AbortSignal.timeout(20_000) });
    await assert.rejects(scratch.hostOf(), { code: "busy" });
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await using _ = await scratch.hostOf();
});

test("openHostState() says which file of its folder cannot be used", async () => {
  await using scratch = await makeScratchRepository();
  const folder = join(scratch.stateDir, scratch.repository.id, "7312");
  await mkdir(join(folder, "lock.sqlite"), { recursive: true });
  const message = /^Cannot lock .*lock\.sqlite: /;
  await assert.rejects(scratch.hostOf(), { code: "system-failed", message });
  await rm(join(folder, "lock.sqlite"), { recursive: true });
  await writeFile(join(folder, "lock.sqlite"), "no database ".repeat(1000));
  await assert.rejects(scratch.hostOf(), { code: "system-failed", message });
});

test("openHostState() forgets chunks of packs that the store has lost or cut", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams, packBytes: 3000 });
  assert.equal(header.packs.length, 2);
  const [lost, cut] = header.packs.map(({ pack }) => `7312/packs/${header.epoch}/${pack}`);
  scratch.objects.delete(lost ?? "");
  const healed = await backUp(scratch, { streams, packBytes: 3000 });
  assert.deepEqual([healed.newBytes, healed.header.epoch], [3000, header.epoch]);
  assert.deepEqual(await readBack(scratch, healed.header), [Buffer.concat(streams[0] ?? [])]);
  scratch.objects.set(cut ?? "", randomBytes(100));
  const again = await backUp(scratch, { streams, packBytes: 3000 });
  assert.equal(again.newBytes, 3000);
  assert.deepEqual(await readBack(scratch, again.header), [Buffer.concat(streams[0] ?? [])]);
});

test("openHostState() begins a new epoch when the store has lost the epoch's key", async () => {
  await using scratch = await makeScratchRepository();
  const first = await backUp(scratch, { streams });
  scratch.objects.delete(`7312/epochs/${first.header.epoch}.age`);
  const second = await backUp(scratch, { streams });
  assert.notEqual(second.header.epoch, first.header.epoch);
  assert.deepEqual(await readBack(scratch, second.header), [Buffer.concat(streams[0] ?? [])]);
});

test("a host that may only create makes backups with what it knows itself", async () => {
  await using scratch = await makeScratchRepository();
  const store = createFaultyStore(scratch.store, ({ method, key }) => {
    if (method !== "put") throw forbidden(key);
  });
  const first = await backUp(scratch, { streams, store });
  const second = await backUp(scratch, { streams, store });
  assert.deepEqual([second.newBytes, second.header.epoch], [0, first.header.epoch]);
  assert.deepEqual(await readBack(scratch, second.header), [Buffer.concat(streams[0] ?? [])]);
});

test("the state of a host holds no key of an older epoch", async () => {
  await using scratch = await makeScratchRepository();
  let oldKey: Uint8Array;
  {
    await using state = await scratch.hostOf();
    oldKey = state.epoch.key;
  }
  const old = await backUp(scratch, { streams });
  await backUp(scratch, { streams, at: new Date(+scratch.now + 31 * day) });
  const files = await readdir(scratch.stateDir, { recursive: true, withFileTypes: true });
  const names = files.filter((file) => file.isFile());
  assert.ok(names.length >= 3);
  for (const { parentPath, name } of names) {
    const bytes = await readFile(join(parentPath, name));
    for (const encoding of ["hex", "base64", "base64url", "latin1"] as const) {
      const needle = Buffer.from(Buffer.from(oldKey).toString(encoding), "latin1");
      assert.ok(!bytes.includes(needle), `${name} holds the old key`);
    }
  }
  await using state = await scratch.hostOf({ at: new Date(+scratch.now + 31 * day) });
  const { store, repository } = scratch;
  const keys = { epoch: state.epoch };
  const opening = openBackup({ store, repository, header: old.header, keys, signal });
  await assert.rejects(opening, { code: "identity-wrong" });
  const forged = { epoch: { ...state.epoch, epoch: old.header.epoch } };
  const forging = openBackup({ store, repository, header: old.header, keys: forged, signal });
  await assert.rejects(forging, { code: "repository-damaged" });
});

test("openHostState() keeps its files to itself and refuses a state that others may read", async () => {
  await using scratch = await makeScratchRepository();
  await backUp(scratch, { streams });
  for (const entry of await readdir(scratch.stateDir, { recursive: true, withFileTypes: true })) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    assert.equal(mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name);
  }
  const file = join(scratch.stateDir, scratch.repository.id, "7312", "state.json");
  await chmod(file, 0o644);
  await assert.rejects(scratch.hostOf(), { code: "secret-exposed" });
  await chmod(file, 0o600);
  await writeFile(file, "{}");
  await assert.rejects(scratch.hostOf(), { code: "system-failed", message: /state\.json/ });
  await writeFile(file, '{"key":secret}');
  await assert.rejects(scratch.hostOf(), (error) => !inspect(error).includes("secret}"));
  await using _ = await scratch.hostOf({ fresh: true });
});

test("openHostState() refuses a server name that leads elsewhere", async () => {
  await using scratch = await makeScratchRepository();
  for (const instance of ["", "..", "a/b", ".a", "repository.json"])
    await assert.rejects(scratch.hostOf({ instance }), { code: "internal-bug" });
});
