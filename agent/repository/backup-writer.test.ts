import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  brokenDisk,
  createFaultyStore,
  forbidden,
} from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { openBackupWriter } from "./backup-writer.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import type { HostState } from "./host-state.ts";
import { listBackups } from "./list-backups.ts";
import type { ChunkRef } from "./map.ts";
import { streamHash } from "./map-bytes.ts";
import { openBackup } from "./open-backup.ts";

const content = {
  body: null,
  source: { engine: "memory", version: "1", host: "h", database: "shop" },
  kind: "logical" as const,
  state: "complete" as const,
  finished: new Date("2026-11-20T11:00:00.000Z"),
};

function open({ store, repository, now }: ScratchRepository, state: HostState) {
  return openBackupWriter({ store, repository, state, started: now, signal });
}

function streamOf(chunks: ChunkRef[]) {
  const bytes = chunks.reduce((sum, ref) => sum + ref.bytes, 0);
  return { chunks, hash: streamHash(chunks), bytes, newBytes: 0, newChunks: 0 };
}

const keysOf = async ({ store }: ScratchRepository, part: string) =>
  (await Array.fromAsync(store.list("", { signal })))
    .map(({ key }) => key)
    .filter((key) => key.includes(part));

test("openBackupWriter() announces the backup before anything else, and takes it back", async () => {
  await using scratch = await makeScratchRepository();
  await using state = await scratch.hostOf();
  {
    await using writer = await open(scratch, state);
    assert.deepEqual(await keysOf(scratch, "/intents/"), [`7312/intents/${writer.id}`]);
  }
  assert.deepEqual(await keysOf(scratch, "/intents/"), []);
  assert.deepEqual(await Array.fromAsync(listBackups(scratch.store, { signal })), []);
});

test("commit() refuses streams whose packs the store has not confirmed", async () => {
  await using scratch = await makeScratchRepository();
  await using state = await scratch.hostOf();
  await using writer = await open(scratch, state);
  const { store } = scratch;
  const { epoch, indexPath } = state;
  await using chunks = new ChunkWriter({ store, epoch, indexPath, signal });
  chunks.beginStream();
  chunks.add(randomBytes(10));
  await writer.addStream(0, chunks.endStream());
  const early = writer.commit({ ...content, packs: { packs: [] } });
  await assert.rejects(early, { code: "internal-bug", message: /not confirmed/ });
  assert.deepEqual(await keysOf(scratch, "/manifest"), []);
  const packs = await chunks.finish();
  await writer.commit({ ...content, packs });
  assert.equal((await keysOf(scratch, "/manifest")).length, 1);
});

test("addStream() refuses a number that was there before", async () => {
  await using scratch = await makeScratchRepository();
  await using state = await scratch.hostOf();
  await using writer = await open(scratch, state);
  await writer.addStream(3, streamOf([]));
  await assert.rejects(writer.addStream(3, streamOf([])), { code: "internal-bug" });
});

test("BackupWriter spreads streams over maps, and every stream is found again", async () => {
  await using scratch = await makeScratchRepository();
  const { header: old } = await backUp(scratch, { streams: [[randomBytes(100)]] });
  const opened = await openBackup({
    ...scratch,
    header: old,
    keys: { identity: scratch.identity },
    signal,
  });
  const [ref] = (await opened.streamMap(0)).chunks;
  assert.ok(ref);
  await using state = await scratch.hostOf();
  await using writer = await open(scratch, state);
  // 60 000 references of 48 bytes: three streams fill a map of 8 MiB.
  const streams = Array.from({ length: 8 }, (_, n) =>
    streamOf(Array.from({ length: 60_000 + n }, () => ref)),
  );
  await Promise.all(streams.map((stream, n) => writer.addStream(n * 7, stream)));
  const { header } = await writer.commit({ ...content, packs: { packs: [] } });
  assert.deepEqual(
    header.maps.map((map) => map.streams),
    [3, 3, 2],
  );
  assert.deepEqual(header.packs, old.packs);
  const backup = await openBackup({
    ...scratch,
    header,
    keys: { identity: scratch.identity },
    signal,
  });
  for (const [n, { hash, bytes }] of streams.entries()) {
    const read = await backup.streamMap(n * 7);
    assert.deepEqual([read.hash, read.bytes], [hash, bytes]);
  }
  await assert.rejects(backup.streamMap(1), { code: "repository-damaged" });
});

test("commit() lists the live bytes of packs that older backups have written", async () => {
  await using scratch = await makeScratchRepository();
  const [a, b] = [randomBytes(1000), randomBytes(1000)];
  const first = await backUp(scratch, { streams: [[a, b]] });
  const second = await backUp(scratch, { streams: [[b, b, b]] });
  const [before, after] = [first.header.packs[0], second.header.packs[0]];
  assert.equal(after?.pack, before?.pack);
  assert.equal(after?.size, before?.size);
  assert.equal(after?.live, 1021);
  assert.deepEqual(second.header.sizes, { read: 3000, new: 0, stored: 0 });
  assert.deepEqual(first.header.sizes, { read: 2000, new: 2000, stored: before?.size });
});

test("commit() uses up its number even when the store fails", async () => {
  await using scratch = await makeScratchRepository();
  const streams = [[randomBytes(100)]];
  const first = await backUp(scratch, { streams });
  const store = createFaultyStore(scratch.store, ({ key }) => {
    if (key.endsWith("/manifest")) throw brokenDisk(key);
  });
  await assert.rejects(backUp(scratch, { streams, store }), { code: "store-io" });
  const { header } = await backUp(scratch, { streams });
  assert.deepEqual([header.sequence, header.previous?.id], [3, first.header.id]);
});

test("a manifest whose answer was lost is followed by one with the next number", async () => {
  await using scratch = await makeScratchRepository();
  const lossy = {
    ...scratch.store,
    put: async (...[key, body, options]: Parameters<typeof scratch.store.put>) => {
      const put = await scratch.store.put(key, body, options);
      if (key.endsWith("/manifest")) throw brokenDisk(key);
      return put;
    },
  };
  const streams = [[randomBytes(100)]];
  await assert.rejects(backUp(scratch, { streams, store: lossy }), { code: "store-io" });
  const [lost] = await Array.fromAsync(listBackups(scratch.store, { signal }));
  const { header } = await backUp(scratch, { streams });
  assert.equal(lost?.sequence, 1);
  assert.equal(header.sequence, 2);
  assert.equal(header.previous?.id, lost?.id);
});

test("commit() after more days than prunes wait refuses what is not there, or cannot be seen", async () => {
  const finished = new Date("2026-11-27T11:00:00.000Z");
  for (const way of ["there", "gone", "denied", "soon"] as const) {
    await using scratch = await makeScratchRepository();
    const deny = createFaultyStore(scratch.store, ({ method, key }) => {
      if (way === "denied" && method === "list") throw forbidden(key);
    });
    await using state = await scratch.hostOf();
    await using writer = await open({ ...scratch, store: deny }, state);
    const { epoch, indexPath } = state;
    await using chunks = new ChunkWriter({ store: scratch.store, epoch, indexPath, signal });
    chunks.beginStream();
    chunks.add(randomBytes(1000));
    await writer.addStream(0, chunks.endStream());
    const packs = await chunks.finish();
    if (way === "gone" || way === "soon")
      for (const key of await keysOf(scratch, "/packs/")) scratch.objects.delete(key);
    const commit = writer.commit({ ...content, packs, ...(way === "soon" ? {} : { finished }) });
    if (way === "there" || way === "soon") await commit;
    else await assert.rejects(commit, { code: "failed", message: /7 days/ });
    const manifests = await keysOf(scratch, "/manifest");
    assert.equal(manifests.length, way === "there" || way === "soon" ? 1 : 0);
  }
});
