import { createHash } from "node:crypto";
import { endOfGap, momentsOf, wallOf } from "../../core/local-time.ts";
import { matchesDay } from "./cron.ts";
import type { Cron } from "./cron.ts";

export interface Timing {
  cron: Cron;
  /** IANA name. */
  timeZone: string;
}

/**
 * The first run after the moment. A local time that does not exist runs at the next valid moment, one
 * that occurs twice runs once; a schedule of every hour goes by elapsed time instead.
 */
export function nextRun(timing: Timing, after: Date): Date {
  const from = after.getTime();
  const today = Math.floor(wallOf(from, timing.timeZone) / dayMs) * dayMs;
  // A day before, as its gap may end after `after`.
  for (let day = today - dayMs; day < today + searchedDays * dayMs; day += dayMs) {
    if (!matchesDay(timing.cron, new Date(day))) continue;
    const found = firstOfDay(timing, { day, from });
    if (found !== undefined) return new Date(found);
  }
  throw new RangeError("a schedule that was parsed matches within 40 years");
}

/** The longest time between two runs, in seconds, as far as the next 400 runs show. */
export function longestInterval(timing: Timing, from: Date): number {
  let previous = nextRun(timing, from);
  const end = from.getTime() + 2 * 366 * dayMs;
  let longest = 0;
  for (let count = 0; count < 400 && (longest === 0 || previous.getTime() < end); count += 1) {
    const next = nextRun(timing, previous);
    longest = Math.max(longest, (next.getTime() - previous.getTime()) / 1000);
    previous = next;
  }
  return longest;
}

/** Spread over targets: 10 % of the interval, 30 minutes at most. */
export function jitterBound(intervalSeconds: number): number {
  return Math.min(Math.floor(intervalSeconds / 10), 30 * 60);
}

/** Milliseconds after its schedule at which the target runs: always the same, below the bound. */
export function jitterOf(target: string, boundSeconds: number): number {
  const draw = createHash("sha256").update(target).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor(draw * boundSeconds) * 1000;
}

const dayMs = 86_400_000;
/** February 29 on one weekday comes back after 28 years, or 40 over a century without it. */
const searchedDays = 41 * 366;

function firstOfDay(
  { cron, timeZone }: Timing,
  { day, from }: { day: number; from: number },
): number | undefined {
  const start = day - wallOf(day - dayMs, timeZone) + (day - dayMs);
  const isPlain =
    wallOf(start, timeZone) === day && wallOf(start + dayMs, timeZone) === day + dayMs;
  if (isPlain && start + dayMs <= from) return undefined;
  let best: number | undefined;
  for (const hour of cron.hours)
    for (const minute of cron.minutes) {
      const wall = day + (hour * 60 + minute) * 60_000;
      const moments = isPlain ? [start + wall - day] : runsAt(wall, timeZone, cron.everyHour);
      for (const moment of moments)
        if (moment > from && (best === undefined || moment < best)) best = moment;
      if (isPlain && best !== undefined) return best;
    }
  return best;
}

function runsAt(wall: number, timeZone: string, everyHour: boolean): number[] {
  const moments = momentsOf(wall, timeZone);
  if (everyHour) return moments;
  return moments.length === 0 ? [endOfGap(wall, timeZone)] : moments.slice(0, 1);
}
