import type { Decision } from "./keep-backups.ts";
import { youngSeconds } from "./keep-backups.ts";

/** A database of which more would go in a day than may without somebody's consent. */
export interface LimitBreach {
  database: string;
  /** What would go now. */
  going: number;
  /** What went within the last 24 hours already. */
  gone: number;
  /** How many may go in a day. */
  limit: number;
}

/**
 * A day may not delete more than a fifth of a database's backups without confirmation (CAT-08). Gives
 * the databases for which that would happen: of those nothing may go before it is confirmed.
 *
 * The fifth is of those that are older than a day, so that a flood of new backups makes no room. One
 * may always go, or a rule that keeps few could never be applied.
 */
export function breachesOfDailyLimit(
  decisions: readonly Decision[],
  { now, gone }: { now: Date; gone: ReadonlyMap<string, number> },
): LimitBreach[] {
  const byDatabase = Map.groupBy(decisions, ({ backup }) => backup.database);
  return [...byDatabase].flatMap(([database, all]) => {
    const goneBefore = gone.get(database) ?? 0;
    const going = all.filter(({ kept }) => !kept).length;
    const stock = all.filter(({ backup }) => isOlderThanADay(backup.committed, now)).length;
    const limit = Math.max(1, Math.floor((stock + goneBefore) / 5));
    if (going === 0 || going + goneBefore <= limit) return [];
    return [{ database, going, gone: goneBefore, limit }];
  });
}

function isOlderThanADay(committed: Date | undefined, now: Date): boolean {
  return committed !== undefined && now.getTime() - committed.getTime() >= youngSeconds * 1000;
}
