import type { InstanceInventory } from "./inventory.ts";

/**
 * Backups that a later one followed, or of which somebody has said something, that are not there and
 * that no prune has removed: whoever has lost their manifests may yet put them back. Their ids. Pure.
 */
export function findMissing({
  manifests,
  removed,
  otherMarks,
}: Pick<InstanceInventory, "manifests" | "removed" | "otherMarks">): string[] {
  const named = [
    ...manifests.values().flatMap(({ previous }) => (previous === undefined ? [] : [previous])),
    ...otherMarks.map(({ id }) => id),
  ];
  return [...new Set(named)].filter((id) => !manifests.has(id) && !removed.has(id)).toSorted();
}
