import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { openEpochFile, sealEpochFile } from "./epoch-file.ts";
import { generateIdentity } from "./identity.ts";
import { initRepository } from "./init-repository.ts";
import { fileRecipient } from "./recipient.ts";
import { encodeBody } from "./manifest-bytes.ts";
import { encodeMap } from "./map-bytes.ts";
import type { BackupHeader } from "./manifest.ts";
import { manifestKey } from "./object-key.ts";
import { openBackup } from "./open-backup.ts";
import { openRepository } from "./open-repository.ts";
import { generateSigningKey } from "./signer.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";

const streams = [[randomBytes(100)], [Buffer.from("x")]];
const folderOf = ({ instance, id }: BackupHeader) => `${instance}/backups/${id}`;

function open(scratch: ScratchRepository, header: BackupHeader, identity = scratch.identity) {
  const { store, repository } = scratch;
  return openBackup({ store, repository, header, keys: { identity }, signal });
}

test("openBackup() gives the body back, with the identity or with the epoch's key", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const opened = await open(scratch, header);
  assert.deepEqual([opened.body, opened.streams], [{ streams: 2 }, [0, 1]]);
  await using state = await scratch.hostOf();
  const keys = { epoch: state.epoch };
  const again = await openBackup({ ...scratch, header, keys, signal });
  assert.deepEqual(again.epoch, opened.epoch);
});

test("openBackup() tells a wrong identity from damage", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const { identity } = await generateIdentity();
  await assert.rejects(open(scratch, header, identity), { code: "identity-wrong" });
});

test("openBackup() finds every flipped byte of the body and of what it needs", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const manifest = `${folderOf(header)}/manifest`;
  const bytes = Buffer.from(scratch.objects.get(manifest) ?? []);
  const damage = { code: "repository-damaged", message: new RegExp(manifest) };
  for (let at = bytes.length - header.body.size; at < bytes.length; at += 3) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    scratch.objects.set(manifest, flipped);
    await assert.rejects(open(scratch, header), damage);
    scratch.objects.set(manifest, bytes.subarray(0, at));
    await assert.rejects(open(scratch, header), damage);
  }
  scratch.objects.set(manifest, bytes);
  scratch.objects.delete(`7312/epochs/${header.epoch}.age`);
  await assert.rejects(open(scratch, header), { code: "object-missing", message: /epochs/ });
});

test("openBackup() refuses manifests that were exchanged", async () => {
  await using scratch = await makeScratchRepository();
  const a = (await backUp(scratch, { streams })).header;
  const b = (await backUp(scratch, { streams, at: new Date(+scratch.now + 1000) })).header;
  const other = (await backUp(scratch, { streams, instance: "7313" })).header;
  for (const foreign of [b, other]) {
    const mine = `${folderOf(a)}/manifest`;
    const kept = scratch.objects.get(mine) ?? new Uint8Array();
    const theirs = scratch.objects.get(`${folderOf(foreign)}/manifest`) ?? new Uint8Array();
    scratch.objects.set(mine, theirs);
    await assert.rejects(open(scratch, a), { code: "repository-damaged" });
    // The header of one with the body of the other.
    const header = Buffer.from(kept).subarray(0, kept.length - a.body.size);
    const body = Buffer.from(theirs).subarray(-foreign.body.size);
    scratch.objects.set(mine, Buffer.concat([header, body]));
    await assert.rejects(open(scratch, a), { code: "repository-damaged" });
    scratch.objects.set(mine, kept);
  }
  await open(scratch, a);
});

test("openBackup() refuses a manifest of another repository", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const repository = { ...scratch.repository, id: "00".repeat(16) };
  const opening = open({ ...scratch, repository }, header);
  await assert.rejects(opening, { code: "repository-damaged" });
});

test("openBackup() refuses a manifest that another host has signed", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const object = `7312/epochs/${header.epoch}.age`;
  const bytes = scratch.objects.get(object) ?? new Uint8Array();
  const file = await openEpochFile(bytes, scratch.identity, object);
  const other = { ...file, signer: generateSigningKey().public };
  scratch.objects.set(object, await sealEpochFile(other, [scratch.recipient]));
  await assert.rejects(open(scratch, header), { code: "repository-damaged", message: /signed/ });
});

test("openBackup() refuses the epoch file of another epoch", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const other = (await backUp(scratch, { streams, fresh: true })).header;
  const [mine = "", theirs = ""] = [header, other].map(({ epoch }) => `7312/epochs/${epoch}.age`);
  scratch.objects.set(mine, scratch.objects.get(theirs) ?? new Uint8Array());
  await assert.rejects(open(scratch, header), { code: "repository-damaged", message: /epochs/ });
});

test("openBackup() refuses a map that is sealed well but is not the signed one", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const opened = await open(scratch, header);
  const exchanged = new Map([
    [0, await opened.streamMap(1)],
    [1, await opened.streamMap(0)],
  ]);
  const map = encodeMap(opened.epoch, { id: header.id, map: 0 }, exchanged);
  assert.equal(map.length, header.maps[0]?.size);
  scratch.objects.set(`${folderOf(header)}/map-0`, map);
  const reading = (await open(scratch, header)).streamMap(0);
  await assert.rejects(reading, { code: "repository-damaged", message: /map-0/ });
});

test("openBackup() refuses a body that is sealed well but is not the signed one", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const { epoch, body: content } = await open(scratch, header);
  const body = encodeBody(epoch, header.id, { streams: [[1, 0]], content });
  const key = manifestKey(header);
  const manifest = Buffer.from(scratch.objects.get(key) ?? []);
  assert.equal(body.length, header.body.size);
  scratch.objects.set(key, Buffer.concat([manifest.subarray(0, -body.length), body]));
  await assert.rejects(open(scratch, header), { code: "repository-damaged", message: /signed/ });
});

test("openBackup() refuses maps that were exchanged, cut or flipped, and names them", async () => {
  await using scratch = await makeScratchRepository();
  const a = (await backUp(scratch, { streams })).header;
  const b = (await backUp(scratch, { streams, at: new Date(+scratch.now + 1000) })).header;
  const [mine, theirs] = [`${folderOf(a)}/map-0`, `${folderOf(b)}/map-0`];
  const bytes = Buffer.from(scratch.objects.get(mine) ?? []);
  const flipped = Buffer.from(bytes);
  flipped[60] = (flipped[60] ?? 0) ^ 1;
  const bad = [scratch.objects.get(theirs), bytes.subarray(0, -1), flipped, Buffer.alloc(0)];
  for (const spoilt of bad) {
    scratch.objects.set(mine, spoilt ?? new Uint8Array());
    const opened = await open(scratch, a);
    const damage = { code: "repository-damaged", message: new RegExp(mine) };
    await assert.rejects(opened.streamMap(0), damage);
  }
  scratch.objects.delete(mine);
  const missing = { code: "object-missing", message: new RegExp(mine) };
  await assert.rejects((await open(scratch, a)).streamMap(0), missing);
});

test("openRepository() tells none, a damaged one and a newer one apart", async () => {
  const objects = new Map<string, Uint8Array>();
  const store = createMemoryStore(objects);
  await assert.rejects(openRepository(store, { signal }), { code: "repository-unknown" });
  const { recipient } = await generateIdentity();
  const now = new Date("2026-11-20T10:00:00.000Z");
  const info = await initRepository(store, {
    recipients: [fileRecipient(recipient, { now })],
    now,
    signal,
  });
  assert.deepEqual(await openRepository(store, { signal }), info);
  const again = initRepository(store, {
    recipients: [fileRecipient(recipient, { now })],
    now,
    signal,
  });
  await assert.rejects(again, { code: "target-exists" });
  const damage = { code: "repository-damaged", message: /repository\.json/ };
  for (const json of ["", "{}", "null", "[]", JSON.stringify({ ...info, id: "x" })]) {
    objects.set("repository.json", Buffer.from(json));
    await assert.rejects(openRepository(store, { signal }), damage, json);
  }
  objects.set("repository.json", Buffer.from(JSON.stringify({ format: 2, news: true })));
  await assert.rejects(openRepository(store, { signal }), { code: "repository-newer" });
});

test("initRepository() needs at least one recipient, and leaves nothing when one is wrong", async () => {
  const store = createMemoryStore();
  const now = new Date("2026-11-20T10:00:00.000Z");
  for (const recipients of [[], [fileRecipient("age1nonsense", { now })]])
    await assert.rejects(initRepository(store, { recipients, now, signal }), {
      code: "config-invalid",
    });
  assert.deepEqual(await Array.fromAsync(store.list("", { signal })), []);
});
