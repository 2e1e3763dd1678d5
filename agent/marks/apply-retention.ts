import { DbctlError } from "../../core/errors.ts";
import { breachesOfDailyLimit, type LimitBreach } from "../../core/retention/daily-limit.ts";
import { type Decision, keepBackups } from "../../core/retention/keep-backups.ts";
import { formatRule, type RetentionRule } from "../../core/retention/retention-rule.ts";
import { inParallel } from "../repository/in-parallel.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import type { MarkState } from "../repository/mark-state.ts";
import { readAllMarks } from "../repository/read-all-marks.ts";
import { type ListedBackup, listStoredBackups } from "../retention/list-stored-backups.ts";
import { factsByMarks } from "./backup-facts.ts";
import { mark, type MarkOptions, undeleteBackup } from "./mark-backup.ts";

interface Deletion extends Omit<MarkOptions, "reason"> {
  /** The repository's id. */
  repository: string;
  /** Seconds for which what goes can be had back. */
  window: number;
  /** Delete even more than a fifth of a database's backups in a day. */
  overLimit: boolean;
  /** Without it, nothing is written. */
  confirm: boolean;
}

export interface RetentionOptions extends Deletion {
  rule: RetentionRule;
  /** Only these databases, as people call them: `host/database`. */
  only?: (backup: ListedBackup) => boolean;
}

export interface JudgedDeletion extends Deletion {
  /** What is kept of all that is there, and why. */
  judge: (backups: ListedBackup[]) => Decision<ListedBackup>[];
  /** Why it goes, for its mark. */
  reasonOf: (backup: ListedBackup) => string;
}

export interface AppliedRetention {
  decisions: Decision<ListedBackup>[];
  /** Databases of which nothing goes, because too much would go in one day. */
  breaches: LimitBreach[];
  /** Ids of what was marked as deleted. */
  deleted: string[];
}

/** Marks that are put at once. */
const markers = 8;
const dayMs = 24 * 3600 * 1000;

/**
 * Marks what the rule does not keep as deleted. Marks nothing when any manifest or mark cannot be
 * read: it might be the one that matters.
 */
export async function applyRetention(options: RetentionOptions): Promise<AppliedRetention> {
  const { rule, only = () => true, now } = options;
  const judge = (backups: ListedBackup[]) => keepBackups(backups.filter(only), rule, { now });
  const reasonOf = () => `not kept by ${formatRule(rule)}`;
  return await deleteUnkept({ ...options, judge, reasonOf });
}

/** The same, with a judge of the caller's. */
export async function deleteUnkept(options: JudgedDeletion): Promise<AppliedRetention> {
  const { store, judge, now, overLimit, confirm } = options;
  const marks = await readAllMarks(store, options);
  const { backups, gone } = await readBackups(marks, options);
  const decisions = judge(backups);
  const breaches = overLimit ? [] : breachesOfDailyLimit(decisions, { now, gone });
  const spared = new Set(breaches.map(({ database }) => database));
  const going = decisions.filter(({ kept, backup }) => !kept && !spared.has(backup.database));
  if (!confirm) return { decisions, breaches, deleted: [] };
  const ends = await inParallel(going, markers, async ({ backup }) =>
    (await markOne(backup, marks, options)) ? [backup] : [],
  );
  await assertSomeLeft(ends.flat(), options);
  return { decisions, breaches, deleted: ends.flat().map(({ id }) => id) };
}

/** What is there, and by database how many were deleted within a day. */
async function readBackups(
  marks: ReadonlyMap<string, MarkState>,
  { store, now, signal }: Deletion,
): Promise<{ backups: ListedBackup[]; gone: Map<string, number> }> {
  const gone = new Map<string, number>();
  const knownOf = factsByMarks(marks);
  const factsOf = (header: BackupHeader) => {
    const { instance, id, source } = header;
    const at = marks.get(`${instance}/${id}`)?.deleted?.at;
    const database = `${instance}/${source.database}`;
    if (at !== undefined && +now - +at < dayMs) gone.set(database, (gone.get(database) ?? 0) + 1);
    return knownOf(header);
  };
  return { backups: await listStoredBackups(store, { factsOf, withPacks: false, signal }), gone };
}

/** False when somebody has said something of it since it was judged. */
async function markOne(
  backup: ListedBackup,
  marks: ReadonlyMap<string, MarkState>,
  options: JudgedDeletion,
): Promise<boolean> {
  const { repository, reasonOf, window } = options;
  const { instance, id } = backup;
  const judged = marks.get(`${instance}/${id}`)?.number ?? 0;
  const reason = reasonOf(backup);
  const { changed } = await mark({ repository, instance, id }, { ...options, reason }, (state) =>
    state.number === judged ? { mark: "delete", reason, window } : undefined,
  );
  return changed;
}

/** Somebody may have deleted at the same time what the rule has kept: then all is taken back. */
async function assertSomeLeft(deleted: ListedBackup[], options: Deletion): Promise<void> {
  const { store, repository, signal } = options;
  const marks = await readAllMarks(store, options);
  const factsOf = factsByMarks(marks);
  const left = await listStoredBackups(store, { factsOf, withPacks: false, signal });
  const whole = new Set(
    left.filter(({ state }) => state === "complete").map(({ database }) => database),
  );
  const bereft = deleted.filter(
    ({ database, state }) => state === "complete" && !whole.has(database),
  );
  const reason = "no other good backup is left";
  await inParallel(bereft, markers, ({ instance, id }) =>
    undeleteBackup({ repository, instance, id }, { ...options, reason }),
  );
  const [first] = bereft;
  if (first === undefined) return;
  throw new DbctlError("busy", `Cannot apply the rule to ${first.name}: ${reason}`, {
    remedy: "Somebody deletes its backups at the same time; look at dbctl backups ls --deleted",
  });
}
