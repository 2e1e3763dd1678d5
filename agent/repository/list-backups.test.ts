import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { findBackup, listBackups } from "./list-backups.ts";
import type { BackupHeader } from "./manifest.ts";

const streams = [[randomBytes(100)]];
const manifestOf = ({ instance, id }: BackupHeader) => `${instance}/backups/${id}/manifest`;

function at(scratch: ScratchRepository, seconds: number): Date {
  return new Date(+scratch.now + seconds * 1000);
}

test("listBackups() gives every backup, and none for a folder without manifest", async () => {
  await using scratch = await makeScratchRepository();
  const a = await backUp(scratch, { streams });
  const b = await backUp(scratch, { streams, at: at(scratch, 1), instance: "7313" });
  await scratch.store.put("7312/backups/20261120T100009Z-00000000/map-0", [], { signal });
  const listed = await Array.fromAsync(listBackups(scratch.store, { signal }));
  assert.deepEqual(listed, [a.header, b.header]);
});

test("listBackups() gives the healthy backups and then names the damaged ones", async () => {
  await using scratch = await makeScratchRepository();
  const backups = [];
  for (let n = 0; n < 4; n++)
    backups.push((await backUp(scratch, { streams, at: at(scratch, n) })).header);
  const [a, b, c, d] = backups.map(manifestOf);
  scratch.objects.set(b ?? "", randomBytes(100));
  scratch.objects.set(d ?? "", scratch.objects.get(a ?? "") ?? new Uint8Array());
  const seen: string[] = [];
  const listing = (async () => {
    for await (const header of listBackups(scratch.store, { signal }))
      seen.push(manifestOf(header));
  })();
  const error = await listing.catch((reason) => reason);
  assert.equal(error.code, "repository-damaged");
  assert.ok(error.message.includes(b) && error.message.includes(d), error.message);
  assert.deepEqual(seen, [a, c]);
});

test("listBackups() finds every flipped byte of a header, and every cut of it", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const key = manifestOf(header);
  const bytes = Buffer.from(scratch.objects.get(key) ?? []);
  const bodyAt = bytes.length - header.body.size;
  const list = () => Array.fromAsync(listBackups(scratch.store, { signal }));
  for (let n = 0; n < bodyAt; n++) {
    const flipped = Buffer.from(bytes);
    flipped[n] = (flipped[n] ?? 0) ^ 8;
    scratch.objects.set(key, flipped);
    const code = n === 7 ? "repository-newer" : "repository-damaged";
    await assert.rejects(list(), { code, message: new RegExp(key) }, `byte ${n}`);
    scratch.objects.set(key, bytes.subarray(0, n));
    await assert.rejects(list(), { code: "repository-damaged" }, `cut at ${n}`);
  }
  scratch.objects.set(key, bytes);
  assert.deepEqual(await list(), [header]);
});

test("listBackups() refuses a manifest that was copied to another server's folder", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const copy = manifestOf({ ...header, instance: "7313" });
  scratch.objects.set(copy, scratch.objects.get(manifestOf(header)) ?? new Uint8Array());
  const listing = Array.fromAsync(listBackups(scratch.store, { signal }));
  await assert.rejects(listing, { code: "repository-damaged", message: new RegExp(copy) });
});

test("findBackup() takes an id, its unique beginning, latest, and host/database:latest", async () => {
  await using scratch = await makeScratchRepository();
  const shop = (await backUp(scratch, { streams })).header;
  const blog = (await backUp(scratch, { streams, at: at(scratch, 1), database: "blog" })).header;
  const partial = (await backUp(scratch, { streams, at: at(scratch, 61), state: "partial" }))
    .header;
  const find = (name: string) => findBackup(scratch.store, name, { signal });
  assert.deepEqual(await find(shop.id), shop);
  assert.deepEqual(await find("20261120T100001Z"), blog);
  assert.deepEqual(await find("latest"), partial);
  assert.deepEqual(await find("h/shop:latest"), partial);
  assert.deepEqual(await find("h/blog:latest"), blog);
  assert.deepEqual(await find(partial.id), partial);
  await assert.rejects(find("20261120T1000"), { code: "usage" });
  for (const name of ["2025", "", "h/none:latest", "shop:latest", "LATEST"])
    await assert.rejects(find(name), { code: "backup-unknown" }, name);
});

test("findBackup() does not pass over a damaged manifest that might be the latest", async () => {
  await using scratch = await makeScratchRepository();
  const old = (await backUp(scratch, { streams })).header;
  const { header } = await backUp(scratch, { streams, at: at(scratch, 1) });
  scratch.objects.set(manifestOf(header), randomBytes(500));
  const damage = { code: "repository-damaged", message: new RegExp(header.id) };
  await assert.rejects(findBackup(scratch.store, "latest", { signal }), damage);
  assert.deepEqual(await findBackup(scratch.store, old.id, { signal }), old);
});

test("findBackup() knows the latest backup though the clock was set back before it", async () => {
  await using scratch = await makeScratchRepository();
  for (const seconds of [0, 86_400 * 365, 5, 3, 86_400 * 365 + 10]) {
    const { header } = await backUp(scratch, { streams, at: at(scratch, seconds) });
    assert.deepEqual(await findBackup(scratch.store, "latest", { signal }), header);
  }
});

test("findBackup() tells backups of one second apart", async () => {
  await using scratch = await makeScratchRepository();
  for (let n = 0; n < 6; n++) {
    const { header } = await backUp(scratch, { streams, at: at(scratch, n / 10) });
    assert.deepEqual(await findBackup(scratch.store, "latest", { signal }), header);
  }
});

test("findBackup() takes a server's name before the id, when another one has the same id", async () => {
  await using scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams });
  const copy = manifestOf({ ...header, instance: "7313" });
  scratch.objects.set(copy, Buffer.from("somebody chose this name"));
  const find = (name: string) => findBackup(scratch.store, name, { signal });
  await assert.rejects(find(header.id), {
    code: "usage",
    remedy: new RegExp(`7312/${header.id}, 7313/${header.id}`),
  });
  assert.deepEqual(await find(`7312/${header.id}`), header);
  assert.deepEqual(await find(`7312/${header.id.slice(0, 17)}`), header);
  await assert.rejects(find(`7314/${header.id}`), { code: "backup-unknown" });
  await assert.rejects(find("7312/"), { code: "backup-unknown" });
});
