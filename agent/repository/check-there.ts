import type { ObjectStore } from "../store/object-store.ts";
import type { EpochCheckEvent, EpochDamage } from "./check-epoch.ts";
import { findEpochFile } from "./find-epoch-file.ts";
import type { BackupHeader } from "./manifest.ts";
import { epochKey, manifestKey, mapKey, packKey, packPrefix } from "./object-key.ts";
import { readHeader } from "./read-header.ts";

interface Waiting {
  signal: AbortSignal;
}

/**
 * Whether every object that the backups of one epoch need is there and has its size, by what their
 * signed headers say. Needs no key. Which rows a missing object costs is not known.
 */
export async function* checkThere(
  store: ObjectStore,
  headers: readonly BackupHeader[],
  { signal }: Waiting,
): AsyncGenerator<EpochCheckEvent, void> {
  const [first] = headers;
  if (first === undefined) return;
  const all = headers.map(({ id }) => id);
  if ((await findEpochFile(store, first, { signal })) === undefined)
    yield damage(epochKey(first), { expected: 1, found: undefined }, all);
  for (const header of headers) yield* checkOwn(store, header, { signal });
  const prefix = packPrefix(first);
  const there = await sizesBelow(store, prefix, { signal });
  for (const [pack, { size, ids }] of packsOf(headers)) {
    const [object, found] = [packKey(first, pack), there.get(prefix + pack)];
    if (found !== size) yield damage(object, { expected: size, found }, ids);
    else yield { kind: "progress", object, bytes: 0, chunks: 0 };
  }
}

/** The manifest and the maps. */
async function* checkOwn(
  store: ObjectStore,
  header: BackupHeader,
  { signal }: Waiting,
): AsyncGenerator<EpochCheckEvent, void> {
  const object = manifestKey(header);
  const prefix = object.slice(0, object.lastIndexOf("/") + 1);
  const there = await sizesBelow(store, prefix, { signal });
  const { bodyAt } = await readHeader(store, object, { signal });
  const sizes = [
    [object, bodyAt + header.body.size] as const,
    ...header.maps.map(({ size }, map) => [mapKey(header, map), size] as const),
  ];
  for (const [key, expected] of sizes) {
    const found = there.get(key);
    if (found !== expected) yield damage(key, { expected, found }, [header.id]);
    else yield { kind: "progress", object: key, bytes: 0, chunks: 0 };
  }
}

/** Every pack that the backups need, its bytes, and who needs it. */
export function packsOf(
  headers: readonly BackupHeader[],
): Map<string, { size: number; ids: string[] }> {
  const packs = new Map<string, { size: number; ids: string[] }>();
  for (const { id, packs: needed } of headers)
    for (const { pack, size } of needed) {
      const known = packs.get(pack) ?? { size, ids: [] };
      packs.set(pack, known);
      known.ids.push(id);
    }
  return packs;
}

async function sizesBelow(
  store: ObjectStore,
  prefix: string,
  { signal }: Waiting,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of store.list(prefix, { signal })) sizes.set(key, size);
  return sizes;
}

function damage(
  object: string,
  { expected, found }: { expected: number; found: number | undefined },
  ids: string[],
): EpochCheckEvent {
  const backups = ids.map((id) => ({ id, streams: [] }));
  return {
    kind: "damage",
    damage: { object, ...sizeFault(expected, found), losesRows: true, backups },
  };
}

/** What is wrong with the size of an object that should have another one. */
export function sizeFault(
  expected: number,
  found: number | undefined,
): Pick<EpochDamage, "how" | "what"> {
  if (found === undefined) return { how: "missing", what: "it is not there" };
  const what = `it has ${found} bytes instead of ${expected}`;
  return { how: found < expected ? "truncated" : "flipped", what };
}
