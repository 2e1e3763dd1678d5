import { packsOf, sizeFault } from "../repository/check-there.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { epochKey, intentKey, mapKey, packKey } from "../repository/object-key.ts";
import { damageAt, type Finding, noteAt } from "./finding.ts";
import type { InstanceObjects } from "./instance-objects.ts";
import { hitBy } from "./read-headers.ts";

/**
 * Holds what lies in an instance's folder against what the signed headers need. Decides only, needs
 * no key. `sealed`: epochs (`instance/epoch`) that have a later sealing of their key.
 */
export function checkObjects(
  objects: InstanceObjects,
  headers: readonly BackupHeader[],
  { sealed }: { sealed: ReadonlySet<string> },
): Finding[] {
  const epochs = Map.groupBy(headers, ({ epoch }) => epoch);
  return [
    ...[...epochs].flatMap(([epoch, ofEpoch]) => {
      const there = objects.epochs.has(epoch) || sealed.has(`${objects.instance}/${epoch}`);
      return [
        ...(there ? [] : [lostKey({ ...objects, epoch }, ofEpoch)]),
        ...checkSigners(ofEpoch),
        ...checkPacks(objects, epoch, ofEpoch),
      ];
    }),
    ...headers.flatMap((header) => checkMaps(objects, header)),
    ...findOrphans(objects, epochs),
    ...findIntents(objects),
  ];
}

function lostKey(place: { instance: string; epoch: string }, headers: BackupHeader[]): Finding {
  const what = "it is not there, and without it nothing of the epoch can be opened";
  return damageAt(epochKey(place), ["missing", what], headers.map(hitBy));
}

/** An epoch is one host's: another signature in it is somebody else's. */
function checkSigners(headers: readonly BackupHeader[]): Finding[] {
  const signers = Map.groupBy(headers, ({ signer }) => signer);
  if (signers.size < 2) return [];
  const what = `its epoch has backups of ${signers.size} signers, and one host alone makes an epoch`;
  return headers.map((header) =>
    damageAt(`${header.instance}/backups/${header.id}/manifest`, ["foreign", what]),
  );
}

function checkPacks(
  objects: InstanceObjects,
  epoch: string,
  headers: readonly BackupHeader[],
): Finding[] {
  const byId = new Map(headers.map((header) => [header.id, header]));
  const there = objects.packs.get(epoch);
  return [...packsOf(headers)].flatMap(([pack, { size, ids }]) => {
    const found = there?.get(pack);
    if (found === size) return [];
    const { how, what } = sizeFault(size, found);
    const hit = ids.flatMap((id) => byId.get(id) ?? []).map(hitBy);
    return [damageAt(packKey({ ...objects, epoch }, pack), [how, what], hit)];
  });
}

function checkMaps(objects: InstanceObjects, header: BackupHeader): Finding[] {
  return header.maps.flatMap(({ size }, map) => {
    const key = mapKey(header, map);
    const found = objects.maps.get(key)?.size;
    if (found === size) return [];
    const { how, what } = sizeFault(size, found);
    return [damageAt(key, [how, what], [hitBy(header)])];
  });
}

/** Packs and maps that no manifest names: of a backup that runs, that failed, or that was removed. */
function findOrphans(
  objects: InstanceObjects,
  epochs: ReadonlyMap<string, BackupHeader[]>,
): Finding[] {
  const { instance, packs, maps } = objects;
  const manifests = new Map([...epochs.values()].flat().map((header) => [header.id, header]));
  const what =
    manifests.size === objects.manifests.size
      ? "no backup refers to it: one is running, or a prune will remove it"
      : "no backup that can be read refers to it";
  const places = Map.groupBy(
    [...packs].flatMap(([epoch, ofEpoch]) => [...ofEpoch.keys()].map((pack) => ({ epoch, pack }))),
    ({ pack }) => pack,
  );
  const orphans = [...packs].flatMap(([epoch, there]) => {
    const needed = packsOf(epochs.get(epoch) ?? []);
    return [...there.keys()]
      .filter((pack) => !needed.has(pack))
      .map((pack) => {
        const key = packKey({ instance, epoch }, pack);
        const own = places.get(pack)?.find((place) => place.epoch !== epoch);
        if (own === undefined) return noteAt(key, ["orphaned", what]);
        return noteAt(key, ["duplicated", `it is in epoch ${own.epoch}, too`]);
      });
  });
  const stray = [...maps].filter(([key, { id }]) => {
    // A manifest that cannot be read may need it: that is said of the manifest.
    const header = manifests.get(id);
    if (header === undefined) return !objects.manifests.has(id);
    return !header.maps.some((_, map) => mapKey(header, map) === key);
  });
  return [...orphans, ...stray.map(([key]) => noteAt(key, ["orphaned", what]))];
}

function findIntents({ instance, intents, manifests }: InstanceObjects): Finding[] {
  return [...intents].map((id) => {
    const what = manifests.has(id)
      ? "its backup is complete; a prune will remove it"
      : "a backup was begun and is not complete: it runs, or it failed";
    return noteAt(intentKey({ instance, id }), ["unfinished", what]);
  });
}
