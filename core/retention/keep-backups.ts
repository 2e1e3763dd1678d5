import { gfsReasons } from "./gfs.ts";
import type { KeepReason } from "./keep-reason.ts";
import { neededBases } from "./pitr-window.ts";
import type { RetentionRule } from "./retention-rule.ts";

/** A backup, as far as it matters for keeping it. */
export interface RetainedBackup {
  id: string;
  /** The database's key: its server's own id with its name, not what a host calls itself. */
  database: string;
  kind: string;
  /**
   * When it was committed, by the clock of who asks or of the store, never by its host's. Undefined
   * when that is not known: then it is kept, and stands for nothing.
   */
  committed: Date | undefined;
  state: "complete" | "partial" | "corrupted";
  /** All its bytes were read, and were right. */
  verified: boolean;
  /** A drill has restored it. */
  proved: boolean;
  tags: readonly string[];
  /** Why somebody holds it. */
  hold?: string | undefined;
  keepUntil?: Date | undefined;
  /** The store does not delete it before. */
  lockedUntil?: Date | undefined;
  /** Until when the log goes on from it without a hole, where that is known. */
  logReaches?: Date | undefined;
}

export interface Decision<B extends RetainedBackup = RetainedBackup> {
  backup: B;
  /** Whether there is any reason to keep it. */
  kept: boolean;
  reasons: KeepReason[];
}

export interface Circumstances {
  /** By the same clock as `committed`. */
  now: Date;
  /** By the key of a database: why nothing of it may go for now, for example an open anomaly. */
  frozen?: ReadonlyMap<string, string>;
}

/** Nothing younger goes, whatever a rule says (CAT-08). */
export const youngSeconds = 86_400;

/**
 * Decides what is kept, and says why; pure. Backups of one database and kind are judged on their
 * own. Above every rule stand the floors (CAT-08), and what is not known is kept. A rule that would
 * keep nothing of a database is refused there: all of it is kept.
 *
 * Gives the decisions in the order of the backups, which does not matter otherwise.
 */
export function keepBackups<B extends RetainedBackup>(
  backups: readonly B[],
  rule: RetentionRule,
  circumstances: Circumstances,
): Decision<B>[] {
  const reasons = new Map<B, KeepReason[]>(backups.map((backup) => [backup, []]));
  const add: Add<B> = (backup, reason) => reasons.get(backup)?.push(reason);
  for (const group of Map.groupBy(backups, groupOf).values())
    judgeGroup(group, { rule, circumstances, add });
  return backups.map((backup) => {
    const why = reasons.get(backup) ?? [];
    return { backup, kept: why.length > 0, reasons: why };
  });
}

type Add<B> = (backup: B, reason: KeepReason) => void;

/** A backup whose time is known and has come. */
type Dated<B> = B & { committed: Date };

interface Judging<B> {
  rule: RetentionRule;
  circumstances: Circumstances;
  add: Add<B>;
}

function groupOf({ database, kind }: RetainedBackup): string {
  return JSON.stringify([database, kind]);
}

function judgeGroup<B extends RetainedBackup>(group: readonly B[], judging: Judging<B>): void {
  const { rule, circumstances, add } = judging;
  const dated = group
    .filter((backup): backup is Dated<B> => hasCome(backup.committed, circumstances.now))
    .toSorted(newestFirst);
  let keepsSome = false;
  const addRule: Add<B> = (backup, reason) => {
    keepsSome = true;
    add(backup, reason);
  };
  applyRule(dated, { rule, circumstances, add: addRule });
  if (!keepsSome) for (const backup of dated) add(backup, { kind: "nothing-kept" });
  addFloors(dated, add);
  for (const backup of group) addOwnReasons(backup, { circumstances, add });
}

function hasCome(committed: Date | undefined, now: Date): boolean {
  return committed !== undefined && committed <= now;
}

function newestFirst<B extends RetainedBackup>(a: Dated<B>, b: Dated<B>): number {
  const later = b.committed.getTime() - a.committed.getTime();
  return later === 0 ? (a.id < b.id ? 1 : -1) : later;
}

function isGood({ state }: RetainedBackup): boolean {
  return state === "complete";
}

/** Counts count good backups only; spans of time keep everything within them. */
function applyRule<B extends RetainedBackup>(
  dated: readonly Dated<B>[],
  { rule, circumstances: { now }, add }: Judging<B>,
): void {
  const { keepLast = 0, keepMin = 0, keepDays, keepWithinSeconds, gfs, pitrWindowSeconds } = rule;
  const good = dated.filter(isGood);
  for (const [index, backup] of good.slice(0, keepLast).entries())
    add(backup, { kind: "last", rank: index + 1, of: keepLast });
  if (keepWithinSeconds !== undefined)
    for (const backup of since(dated, before(good[0]?.committed ?? now, keepWithinSeconds)))
      add(backup, { kind: "within", seconds: keepWithinSeconds });
  if (keepDays !== undefined)
    for (const backup of since(dated, before(now, keepDays * 86_400)))
      add(backup, { kind: "days", days: keepDays });
  for (const [index, backup] of good.slice(0, keepMin).entries())
    add(backup, { kind: "minimum", rank: index + 1, of: keepMin });
  if (gfs !== undefined)
    for (const [backup, reasons] of gfsReasons(good, gfs))
      for (const reason of reasons) add(backup, reason);
  for (const backup of dated)
    for (const tag of rule.keepTags ?? [])
      if (backup.tags.includes(tag)) add(backup, { kind: "tag", tag });
  if (pitrWindowSeconds !== undefined)
    for (const backup of neededBases(good, before(now, pitrWindowSeconds)))
      add(backup, { kind: "pitr-window", seconds: pitrWindowSeconds });
}

function before(moment: Date, seconds: number): Date {
  return new Date(moment.getTime() - seconds * 1000);
}

/** The moment itself included: at the border, a backup is kept. */
function since<B extends RetainedBackup>(dated: readonly Dated<B>[], start: Date): Dated<B>[] {
  return dated.filter(({ committed }) => committed >= start);
}

function addFloors<B extends RetainedBackup>(dated: readonly Dated<B>[], add: Add<B>): void {
  const good = dated.filter(isGood);
  const [newest, newestGood, proved] = [dated[0], good[0], good.find((backup) => backup.proved)];
  if (newestGood !== undefined) add(newestGood, { kind: "newest-good" });
  if (proved !== undefined) add(proved, { kind: "newest-proved" });
  // A partial or damaged one may hold what came after the newest good one.
  if (newest !== undefined && newest !== newestGood) add(newest, { kind: "newest" });
  // The healthy parts of damaged backups can be restored, and nothing else is left.
  if (dated.every(({ state }) => state === "corrupted"))
    for (const backup of dated) add(backup, { kind: "nothing-whole" });
}

/** What a backup is kept for whatever the others are. */
function addOwnReasons<B extends RetainedBackup>(
  backup: B,
  { circumstances: { now, frozen }, add }: Omit<Judging<B>, "rule">,
): void {
  const { committed, hold, keepUntil, lockedUntil } = backup;
  const anomaly = frozen?.get(backup.database);
  if (anomaly !== undefined) add(backup, { kind: "frozen", why: anomaly });
  if (hold !== undefined) add(backup, { kind: "hold", why: hold });
  if (keepUntil !== undefined && !(keepUntil <= now))
    add(backup, { kind: "keep-until", until: keepUntil });
  if (lockedUntil !== undefined && !(lockedUntil <= now))
    add(backup, { kind: "locked", until: lockedUntil });
  if (committed === undefined || Number.isNaN(committed.getTime()))
    add(backup, { kind: "time-unknown" });
  else if (committed > now) add(backup, { kind: "future", committed });
  else if (committed > before(now, youngSeconds))
    add(backup, { kind: "young", seconds: youngSeconds });
}
