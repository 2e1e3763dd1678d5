import { type Decision, keepBackups } from "../../core/retention/keep-backups.ts";
import type { RetentionRule } from "../../core/retention/retention-rule.ts";
import type { ListedBackup } from "../retention/list-stored-backups.ts";

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
 * repository itself has. Only what both let go goes, and only if it would go as well when nothing were
 * damaged: neither a controller that was taken over nor a wrong clock deletes alone. Pure.
 */
export function judgeAgain(
  backups: readonly ListedBackup[],
  groups: readonly DecidedGroup[],
  now: Date,
): Decision<ListedBackup>[] {
  const known = new Map(groups.flatMap(({ decisions }) => decisions.map((one) => [one.id, one])));
  const rulesOf = new Map(
    groups.flatMap(({ decisions, rules }) => decisions.map(({ id }) => [id, rules] as const)),
  );
  return [...Map.groupBy(backups, ({ database }) => database).values()].flatMap((all) => {
    const rules = [...new Set(all.flatMap(({ id }) => rulesOf.get(id) ?? []))];
    const whole = all.map((one) => ({ ...one, verified: known.get(one.id)?.verified === true }));
    const told = whole.map((one) => (known.get(one.id)?.damaged ? corrupted(one) : one));
    const reasons = rules.flatMap((rule) =>
      [whole, told].map((some) => keepBackups(some, rule, { now }).map((one) => one.reasons)),
    );
    return all.map((backup, n) => {
      const why = reasons.flatMap((some) => some[n] ?? []);
      const goes = rules.length > 0 && why.length === 0 && known.get(backup.id)?.kept === false;
      return { backup, kept: !goes, reasons: why };
    });
  });
}

function corrupted(backup: ListedBackup): ListedBackup {
  return { ...backup, state: "corrupted" };
}
