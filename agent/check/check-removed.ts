import { manifestKey, marksPrefix, removedKey } from "../repository/object-key.ts";
import type { ControlFacts } from "./check-control.ts";
import { damageAt, type Finding, noteAt } from "./finding.ts";
import type { InstanceObjects } from "./instance-objects.ts";
import { hitBy, type ReadHeader } from "./read-headers.ts";

/**
 * Manifests of backups that a prune has removed. A prune writes its record first: a manifest that
 * is older waits for the next prune, one that is younger was put back by somebody.
 */
export function checkRemoved(
  instance: string,
  read: readonly ReadHeader[],
  { removed }: ControlFacts,
): Finding[] {
  return read.flatMap(({ header, hash, info }) => {
    const record = removed.get(`${instance}/${header.id}`);
    if (record === undefined) return [];
    const key = manifestKey(header);
    if (record.removal.hash !== hash) {
      const what = "it is about another manifest than the one that is there";
      return [damageAt(removedKey(header), ["replayed", what])];
    }
    const [created, recorded] = [info.created, record.created];
    if (created === undefined || recorded === undefined || created <= recorded)
      return [noteAt(key, ["unfinished", "its backup is being removed; the next prune goes on"])];
    const what = "a prune has removed the backup, and its manifest came back after that";
    return [{ ...damageAt(key, ["replayed", what]), backups: [hitBy(header)] }];
  });
}

/** Marks of a backup that is not there, though no prune has removed it. */
export function checkUnexplained(
  { instance, manifests }: Pick<InstanceObjects, "instance" | "manifests">,
  { marks, removed }: ControlFacts,
  { isPartialCopy }: { isPartialCopy: boolean },
): Finding[] {
  return [...marks.keys()].flatMap((name) => {
    const id = name.slice(instance.length + 1);
    if (!name.startsWith(`${instance}/`) || manifests.has(id) || removed.has(name)) return [];
    const what = `${marksPrefix({ instance, id })} speaks of it, and no prune has removed it`;
    return [(isPartialCopy ? noteAt : damageAt)(manifestKey({ instance, id }), ["missing", what])];
  });
}
