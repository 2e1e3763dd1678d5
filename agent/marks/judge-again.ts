import { type Decision, keepBackups } from "../../core/retention/keep-backups.ts";
import type { RetentionRule } from "../../core/retention/retention-rule.ts";
import type { BackupFacts, ListedBackup } from "../retention/list-stored-backups.ts";

/** What a controller has decided of the backups of one database in one repository. */
export interface DecidedGroup {
  /** What any of them keeps is kept. Without one, all is. */
  rules: readonly RetentionRule[];
  decisions: readonly DecidedBackup[];
}

export interface DecidedBackup {
  id: string;
  kept: boolean;
  verified: boolean;
  damaged: boolean;
}

/**
 * Judges what is in the repository by the rules of a controller, and by the times and marks that the
 * repository itself has. Only what both let go goes: neither a controller that was taken over nor a
 * clock that is wrong deletes alone. Pure.
 */
export function judgeAgain(
  backups: readonly ListedBackup[],
  groups: readonly DecidedGroup[],
  now: Date,
): Decision<ListedBackup>[] {
  const groupOf = new Map(
    groups.flatMap((group) => group.decisions.map(({ id }) => [id, group] as const)),
  );
  const going = new Set(
    groups.flatMap(({ decisions }) => decisions.filter(({ kept }) => !kept).map(({ id }) => id)),
  );
  return [...Map.groupBy(backups, ({ database }) => database).values()].flatMap((all) => {
    const rules = new Set(all.flatMap(({ id }) => groupOf.get(id)?.rules ?? []));
    return judgeByAll(all, [...rules], now).map((decision) => ({
      ...decision,
      kept: decision.kept || !going.has(decision.backup.id),
    }));
  });
}

/** What the controller knows of backups besides what the repository tells. */
export function factsOfGroups(
  groups: readonly DecidedGroup[],
): (backup: { id: string }) => BackupFacts {
  const known = new Map(groups.flatMap(({ decisions }) => decisions.map((one) => [one.id, one])));
  return ({ id }) => {
    const { verified = false, damaged = false } = known.get(id) ?? {};
    return { verified, corrupted: damaged };
  };
}

function judgeByAll(
  backups: readonly ListedBackup[],
  rules: readonly RetentionRule[],
  now: Date,
): Decision<ListedBackup>[] {
  const byRule = rules.map((rule) => keepBackups(backups, rule, { now }));
  return backups.map((backup, n) => {
    const reasons = byRule.flatMap((decisions) => decisions[n]?.reasons ?? []);
    return { backup, reasons, kept: rules.length === 0 || reasons.length > 0 };
  });
}
