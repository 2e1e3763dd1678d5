import { manifestKey } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { RepositoryCheckResult } from "./check-repository.ts";
import { damageAt, type Finding, noteAt } from "./finding.ts";
import { stillTrue } from "./still-true.ts";

/** A backup of this repository, as the fleet's catalog has it. */
export interface CatalogBackup {
  instance: string;
  id: string;
  /** Its objects were removed by a prune. */
  isRemoved: boolean;
}

export interface CatalogComparison {
  store: ObjectStore;
  known: readonly CatalogBackup[];
  /** Whether the catalog was read to its end. */
  isWhole: boolean;
  signal: AbortSignal;
}

/**
 * Holds the catalog against what a check has found, both ways: a backup that only the catalog has is
 * a damage (nothing in the store misses the newest backup of a host), one that only the store has is
 * told.
 */
export async function compareCatalog(
  { backups, findings }: Pick<RepositoryCheckResult, "backups" | "findings">,
  { store, known, isWhole, signal }: CatalogComparison,
): Promise<Finding[]> {
  const nameOf = ({ instance, id }: { instance: string; id: string }) => `${instance}/${id}`;
  const there = new Set(backups.map(nameOf));
  const told = new Set(findings.map(({ object }) => object));
  const inCatalog = new Set(known.map(nameOf));
  const missing = known
    .filter((one) => !one.isRemoved && !there.has(nameOf(one)) && !told.has(manifestKey(one)))
    .map((one) => damageAt(manifestKey(one), ["missing", "the catalog has it, the store has not"]));
  const unlisted = backups
    .filter((one) => isWhole && !inCatalog.has(nameOf(one)))
    .map((one) => noteAt(manifestKey(one), ["unlisted", "the catalog does not have it"]));
  const found: Finding[] = [];
  for (const finding of [...missing, ...unlisted])
    if (await stillTrue(finding, { store, signal })) found.push(finding);
  return found;
}
