import type { EpochKeys } from "../repository/epoch.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { isDamage } from "../repository/damage.ts";
import { mapKey, packKey } from "../repository/object-key.ts";
import { readPackIndex } from "../repository/pack.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { hashObject } from "./check-bytes.ts";
import { overlayStore } from "./overlay-store.ts";

interface Options {
  signal: AbortSignal;
}

/** The key of the map whose bytes lie at `key`; undefined when they are no known map's. */
export async function findSwappedMap(
  store: ObjectStore,
  { key, headers }: { key: string; headers: readonly BackupHeader[] },
  { signal }: Options,
): Promise<string | undefined> {
  const { sha256 } = await hashObject(store, key, { signal });
  for (const header of headers)
    for (const [map, signed] of header.maps.entries())
      if (signed.sha256 === sha256 && mapKey(header, map) !== key) return mapKey(header, map);
  return undefined;
}

/** The pack of the epoch whose bytes lie in the place of `pack`, as far as its size allows. */
export async function findSwappedPack(
  store: ObjectStore,
  { epoch, pack, packs }: { epoch: EpochKeys; pack: string; packs: ReadonlyMap<string, number> },
  { signal }: Options,
): Promise<string | undefined> {
  const at = packKey(epoch, pack);
  const size = (await store.head(at, { signal }))?.size;
  for (const [other, expected] of packs) {
    if (other === pack || expected !== size) continue;
    // Sealed to its own name: only under that does it open.
    const alias = packKey(epoch, other);
    const renamed = overlayStore(store, {
      get: (key, options) => store.get(key === alias ? at : key, options),
    });
    try {
      await readPackIndex({ store: renamed, epoch, signal }, { pack: other, size });
      return other;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return undefined;
}
