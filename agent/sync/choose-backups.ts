import { DbctlError } from "../../core/errors.ts";
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
  if (databases !== undefined && !databases.includes(`${source.host}/${source.database}`))
    return false;
  return backups === undefined || backups.some((beginning) => id.startsWith(beginning));
}

/** Which of the names in a filter were met: one that never is was mistyped. */
export class MetNames {
  readonly #unmet: { instances: Set<string>; databases: Set<string>; backups: Set<string> };

  constructor({ instances, databases, backups }: SyncFilter) {
    this.#unmet = {
      instances: new Set(instances),
      databases: new Set(databases),
      backups: new Set(backups),
    };
  }

  meetInstance(instance: string): void {
    this.#unmet.instances.delete(instance);
  }

  meetBackup({ id, source }: BackupHeader): void {
    this.#unmet.databases.delete(`${source.host}/${source.database}`);
    for (const beginning of this.#unmet.backups)
      if (id.startsWith(beginning)) this.#unmet.backups.delete(beginning);
  }

  /** Refuses to call it done when a name was never met. */
  assertAll(url: string): void {
    const { instances, databases, backups } = this.#unmet;
    const unmet = [
      ...[...instances].map((name) => `server ${name}`),
      ...[...databases].map((name) => `database ${name}`),
      ...[...backups].map((name) => `backup ${name}`),
    ];
    if (unmet.length > 0)
      throw new DbctlError("backup-unknown", `Cannot copy ${unmet.join(", ")}: not in ${url}`, {
        remedy: "Correct the name; dbctl backups ls shows them, with --json servers too",
      });
  }
}

export function isEverything(filter: SyncFilter): boolean {
  return Object.values(filter).every((part) => part === undefined);
}
