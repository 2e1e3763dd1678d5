import assert from "node:assert/strict";
import { deleteBackup } from "../../agent/marks/delete-backup.ts";
import { releaseBackup } from "../../agent/marks/hold-backup.ts";
import { listBackups } from "../../agent/repository/list-backups.ts";
import type { BackupHeader } from "../../agent/repository/manifest.ts";
import { manifestKey, mapKey, packKey } from "../../agent/repository/object-key.ts";
import { signal } from "../fixtures/scratch-repository.ts";
import { checkWorld } from "./check-world.ts";
import { prune } from "./operations.ts";
import { clockOf, type World } from "./world.ts";

const dayMs = 24 * 3600 * 1000;

/**
 * Deletes half of what is there; then, with time and clean prunes, nothing is left in the hosts'
 * folders but what the remaining backups need, and the keys of epochs.
 */
export async function converge(world: World): Promise<void> {
  const headers = await Array.fromAsync(listBackups(world.store, { signal }));
  for (const [n, header] of headers.entries()) await decide(world, header, n % 2 === 0);
  for (const days of [1.1, 62, 1.1, 1.1]) {
    world.time += days * dayMs;
    await prune(world, world.store);
  }
  await checkWorld(world);
  const left = await Array.fromAsync(listBackups(world.store, { signal }));
  const needed = new Set(left.flatMap(objectsOf));
  const there = [...world.objects.keys()].filter((key) => /^[^~/]+\/(?!epochs\/)/.test(key));
  assert.deepEqual(there.toSorted(), [...needed].toSorted(), "something was left for ever");
  const wanted = [...world.backups.values()].filter((one) => one.deletedUntil === undefined);
  assert.equal(left.length, wanted.length, "something deleted was left");
}

async function decide(world: World, header: BackupHeader, goes: boolean): Promise<void> {
  const known = world.backups.get(header.id);
  const options = { store: world.store, by: "model", reason: "", now: clockOf(world), signal };
  if (known === undefined) return;
  // Also one that was released: the release may have been cut short before the store's holds ended.
  await releaseBackup(header, options);
  known.held = false;
  if (!goes || known.deletedUntil !== undefined) return;
  const end = { window: 0, lastOne: true, confirm: true };
  const { until } = await deleteBackup(header, { ...options, ...end });
  known.deletedUntil = until.getTime();
}

function objectsOf(header: BackupHeader): string[] {
  return [
    manifestKey(header),
    ...header.maps.map((_, n) => mapKey(header, n)),
    ...header.packs.map(({ pack }) => packKey(header, pack)),
  ];
}
