import { keepBackups, type RetainedBackup } from "./keep-backups.ts";
import type { RetentionRule } from "./retention-rule.ts";

/** A backup with what it needs in the store; several backups may share a pack. */
export interface StoredBackup extends RetainedBackup {
  packs: readonly { pack: string; size: number }[];
}

export interface Simulation {
  samples: Sample[];
  /** What goes on which day; days on which nothing goes are left out. */
  departures: Departure[];
}

/** How it looks after so many days, once the rule was applied. */
export interface Sample {
  day: number;
  at: Date;
  kept: number;
  /** Of the packs that kept backups need. */
  bytes: number;
  /** Every database has a good backup at least as old as this; undefined while one has none. */
  oldest: Date | undefined;
}

export interface Departure {
  day: number;
  at: Date;
  backups: string[];
}

/**
 * Applies the rule once a day, from day 0 on, to backups of the past and of the future: each is there
 * from its time on. Days are those on which to look, 24 hours each, counted from `from`.
 */
export function simulateRetention(
  backups: readonly StoredBackup[],
  rule: RetentionRule,
  { from, days }: { from: Date; days: readonly number[] },
): Simulation {
  const simulation: Simulation = { samples: [], departures: [] };
  const waiting = backups.toSorted((a, b) => arrivalOf(a) - arrivalOf(b));
  let present: StoredBackup[] = [];
  for (let day = 0; day <= Math.max(...days); day += 1) {
    const at = new Date(from.getTime() + day * dayMs);
    const later = waiting.findIndex((backup) => arrivalOf(backup) > at.getTime());
    present.push(...waiting.splice(0, later === -1 ? waiting.length : later));
    const decisions = keepBackups(present, rule, { now: at });
    present = decisions.filter(({ kept }) => kept).map(({ backup }) => backup);
    const gone = decisions.filter(({ kept }) => !kept).map(({ backup }) => backup.id);
    if (gone.length > 0) simulation.departures.push({ day, at, backups: gone });
    if (days.includes(day)) simulation.samples.push(sampleOf(present, { day, at }));
  }
  return simulation;
}

const dayMs = 86_400_000;

/** What has no known time is there from the beginning. */
function arrivalOf({ committed }: RetainedBackup): number {
  const time = committed?.getTime();
  return time === undefined || Number.isNaN(time) ? -Infinity : time;
}

function sampleOf(
  present: readonly StoredBackup[],
  { day, at }: { day: number; at: Date },
): Sample {
  const oldest = [...Map.groupBy(present, ({ database }) => database).values()].map(oldestGood);
  const latest = Math.max(...oldest);
  const isKnown = Number.isFinite(latest);
  return {
    day,
    at,
    kept: present.length,
    bytes: storedBytes(present),
    oldest: isKnown ? new Date(latest) : undefined,
  };
}

/** Milliseconds; infinite when there is none. */
function oldestGood(backups: readonly RetainedBackup[]): number {
  const good = backups.filter(({ state }) => state === "complete");
  return Math.min(...good.map(arrivalOf).filter(Number.isFinite));
}

/** Bytes of all packs that any of the backups needs, each once. */
export function storedBytes(backups: Iterable<StoredBackup>): number {
  const sizes = new Map<string, number>();
  for (const { packs } of backups) for (const { pack, size } of packs) sizes.set(pack, size);
  return sizes.values().reduce((sum, size) => sum + size, 0);
}
