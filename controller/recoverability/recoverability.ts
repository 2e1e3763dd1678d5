/** What the catalog knows about one database; every time is of the controller's clock. */
export interface Coverage {
  firstSeenAt: Date;
  /** Unset when its agent was never heard. */
  agentSeenAt?: Date | undefined;
  /** A moment not later than the snapshot of the newest complete backup that is not damaged. */
  newestAt?: Date | undefined;
  /** The same of the newest verified one. */
  verifiedAt?: Date | undefined;
  goal?: Goal | undefined;
  /** In each of the policy's repositories, in their order. */
  copies?: readonly Copy[] | undefined;
}

export interface Copy {
  repositoryUrl: string;
  /** The newest good backup there; `at` is not later than its snapshot. */
  newest?: { backup: string; at: Date; verified: boolean };
}

export interface Goal {
  rpoSeconds: number;
  /** Interval, typical duration and jitter together: how old the newest backup gets by plan. */
  plannedSeconds: number;
}

export type RecoverabilityState = "ok" | "warning" | "violated" | "unmanaged";
export type RecoverabilityLevel = "none" | "stored" | "verified";

export interface Recoverability {
  /** Unset when no backup can be restored. */
  until?: Date;
  /** Since `until`, or since the database was first seen. */
  ageSeconds: number;
  state: RecoverabilityState;
  level: RecoverabilityLevel;
  /** In words, for people. */
  reason: string;
  /** Repositories with a good backup within the RPO, and all that the policy names. */
  copies: { good: number; wanted: number };
}

/** Seconds of silence after which nothing is known about a host any more (FLEET-04). */
export const silentSeconds = 60;

/** Until which moment the database is recoverable, and whether that is good enough (RPO-01, RPO-02). */
export function recoverability(coverage: Coverage, now: Date): Recoverability {
  const { newestAt, goal } = coverage;
  const base = newestAt ?? coverage.firstSeenAt;
  const ageSeconds = Math.max(0, Math.floor((now.getTime() - base.getTime()) / 1000));
  const level = levelOf(coverage);
  const known = {
    ...(newestAt === undefined ? {} : { until: newestAt }),
    ageSeconds,
    level,
    copies: countCopies(coverage, now),
  } as const;
  if (goal === undefined) return { ...known, state: "unmanaged", reason: "no policy selects it" };
  const moments = predict(coverage);
  const silent = isSilent(coverage, now) ? [silence(coverage)] : [];
  if (moments.violatedAt !== undefined && now > moments.violatedAt)
    return { ...known, state: "violated", reason: words([...silent, lateness(coverage, now)]) };
  if (newestAt === undefined)
    return { ...known, state: "warning", reason: words([...silent, "never backed up"]) };
  const stale = moments.lateAt !== undefined && now > moments.lateAt;
  const late = stale || silent.length > 0 ? [lateness(coverage, now)] : [];
  const missing = severalCopies(coverage) ? missingCopies(coverage, now) : [];
  if (late.length + missing.length > 0)
    return { ...known, state: "warning", reason: words([...silent, ...late, ...missing]) };
  return { ...known, state: "ok", reason: `last backup of ${newestAt.toISOString()}` };
}

/**
 * The last moments at which it is not yet a warning, not yet violated, if nothing else happens. Both
 * are unset without a policy.
 */
export function predict(coverage: Coverage): Prediction {
  const { goal, newestAt, firstSeenAt, agentSeenAt } = coverage;
  if (goal === undefined) return {};
  const violatedAt = later(newestAt ?? firstSeenAt, goal.rpoSeconds);
  if (newestAt === undefined) return { warningAt: firstSeenAt, violatedAt };
  const lateAt = later(newestAt, Math.max(goal.rpoSeconds * 0.8, goal.plannedSeconds));
  const silent = later(agentSeenAt ?? firstSeenAt, silentSeconds);
  const copies = severalCopies(coverage) ? (coverage.copies ?? []) : [];
  const ends = copies.map(({ newest }) =>
    newest === undefined ? firstSeenAt : later(newest.at, goal.rpoSeconds),
  );
  const moments = [lateAt, silent, violatedAt, ...ends].map((moment) => moment.getTime());
  return { warningAt: new Date(Math.min(...moments)), lateAt, violatedAt };
}

interface Prediction {
  warningAt?: Date;
  /** Until when the newest backup is as old as planned. */
  lateAt?: Date;
  violatedAt?: Date;
}

/** Where one repository is enough, how old its newest backup is says it all. */
function severalCopies({ copies = [] }: Coverage): boolean {
  return copies.length > 1;
}

/** Whether the newest backup of a repository is within the RPO. */
export function isCopyGood({ newest }: Copy, goal: Goal | undefined, now: Date): boolean {
  return newest !== undefined && goal !== undefined && now <= later(newest.at, goal.rpoSeconds);
}

function countCopies({ copies = [], goal }: Coverage, now: Date): Recoverability["copies"] {
  const good = copies.filter((copy) => isCopyGood(copy, goal, now));
  return { good: good.length, wanted: copies.length };
}

/** In words; none when no copy is missing. */
export function missingCopies(coverage: Coverage, now: Date): string[] {
  const { copies = [], goal } = coverage;
  const missing = copies.filter((copy) => !isCopyGood(copy, goal, now));
  if (missing.length === 0) return [];
  const { good, wanted } = countCopies(coverage, now);
  const where = missing.map(({ repositoryUrl, newest }) =>
    newest === undefined
      ? `none in ${repositoryUrl}`
      : `the last in ${repositoryUrl} of ${newest.at.toISOString()}`,
  );
  return [`copies: ${good} of ${wanted}, ${where.join(", ")}`];
}

/** Of the backup that `until` comes from: an older verified one proves nothing of it. */
function levelOf({ newestAt, verifiedAt }: Coverage): RecoverabilityLevel {
  if (newestAt === undefined) return "none";
  return verifiedAt !== undefined && verifiedAt >= newestAt ? "verified" : "stored";
}

function isSilent({ agentSeenAt, firstSeenAt }: Coverage, now: Date): boolean {
  return now > later(agentSeenAt ?? firstSeenAt, silentSeconds);
}

function silence({ agentSeenAt }: Coverage): string {
  return agentSeenAt === undefined
    ? "agent never heard"
    : `agent silent since ${agentSeenAt.toISOString()}`;
}

function lateness({ newestAt, firstSeenAt, goal }: Coverage, now: Date): string {
  if (newestAt === undefined)
    return `never backed up since it was seen at ${firstSeenAt.toISOString()}`;
  const seconds = Math.floor((now.getTime() - newestAt.getTime()) / 1000);
  return `last backup of ${newestAt.toISOString()} is ${seconds} s old, RPO ${goal?.rpoSeconds ?? 0} s`;
}

function words(reasons: readonly string[]): string {
  return reasons.join("; ");
}

function later(moment: Date, seconds: number): Date {
  return new Date(moment.getTime() + seconds * 1000);
}
