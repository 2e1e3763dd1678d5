import assert from "node:assert/strict";
import type { EpochKeys } from "../../agent/repository/epoch.ts";
import { epochKeysOf } from "../../agent/repository/epoch-file.ts";
import { findEpochFile } from "../../agent/repository/find-epoch-file.ts";
import { listBackups } from "../../agent/repository/list-backups.ts";
import { repositoryKey } from "../../agent/repository/object-key.ts";
import { openBackup, readEpochFile } from "../../agent/repository/open-backup.ts";
import { openRepository } from "../../agent/repository/open-repository.ts";
import { readStream } from "../../agent/repository/read-stream.ts";
import type { BackupHeader } from "../../agent/repository/manifest.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";
import { signal } from "../fixtures/scratch-repository.ts";
import type { World } from "./world.ts";

/** Every backup that must be there is, and every one that is there has every byte. */
export async function checkWorld(world: World): Promise<void> {
  const headers = await Array.fromAsync(listBackups(world.store, { signal }));
  const listed = headers.map(({ id }) => id);
  assert.deepEqual(listed.toSorted(), [...world.backups.keys()].toSorted());
  for (const header of headers) await checkBackup(world, world.store, header);
}

/** Every backup that the copy shows has every byte there, as soon as it is a repository. */
export async function checkCopy(world: World): Promise<void> {
  const { copy } = world;
  if ((await copy.head(repositoryKey, { signal })) === undefined) return;
  for await (const header of listBackups(copy, { signal })) await checkBackup(world, copy, header);
}

/** Every byte of a backup is what the model says. */
export async function checkBackup(
  world: World,
  store: ObjectStore,
  header: BackupHeader,
): Promise<void> {
  const repository = await openRepository(store, { signal });
  const keys = { epoch: await openEpoch(world, store, header) };
  const backup = await openBackup({ store, repository, header, keys, signal });
  const streams = world.contents.get(header.id) ?? [];
  assert.equal(backup.streams.length, streams.length, header.id);
  for (const [number, bytes] of streams.entries()) {
    const map = await backup.streamMap(number);
    const source = { store, epoch: backup.epoch, map, signal };
    const pieces = await Array.fromAsync(readStream(source), (chunk) => Buffer.from(chunk));
    assert.ok(Buffer.concat(pieces).equals(bytes), `stream ${number} of ${header.id}`);
  }
}

/** The file has to be there each time; it is opened when it is another one than before. */
async function openEpoch(
  { identity, opened }: World,
  store: ObjectStore,
  header: BackupHeader,
): Promise<EpochKeys> {
  const found = await findEpochFile(store, header, { signal });
  assert.ok(found !== undefined, `the key of epoch ${header.epoch} is gone`);
  const known = opened.get(found.key);
  if (known !== undefined) return known;
  const keys = epochKeysOf(await readEpochFile(store, header, { identity, signal }));
  opened.set(found.key, keys);
  return keys;
}
