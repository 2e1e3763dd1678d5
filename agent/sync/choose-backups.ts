import type { BackupHeader } from "../repository/manifest.ts";

/** Which backups to copy: all that fit every part that is set. */
export interface SyncFilter {
  newerThan?: Date | undefined;
  instances?: readonly string[] | undefined;
  /** `host/database`. */
  databases?: readonly string[] | undefined;
  /** Ids, or their beginnings. */
  backups?: readonly string[] | undefined;
}

export function isWanted(
  { newerThan, instances, databases, backups }: SyncFilter,
  { id, instance, source, started }: BackupHeader,
): boolean {
  if (newerThan !== undefined && new Date(started) < newerThan) return false;
  if (instances !== undefined && !instances.includes(instance)) return false;
  const database = `${source.host}/${source.database}`;
  if (databases !== undefined && !databases.includes(database)) return false;
  return backups === undefined || backups.some((beginning) => id.startsWith(beginning));
}

export function isEverything(filter: SyncFilter): boolean {
  return Object.values(filter).every((part) => part === undefined);
}
