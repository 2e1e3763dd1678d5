import { wallOf } from "../local-time.ts";
import type { GfsReason, Tier } from "./keep-reason.ts";
import type { GfsRule } from "./retention-rule.ts";

/** A good backup, as the tiers see it. */
export interface Candidate {
  committed: Date;
  verified: boolean;
}

/**
 * What each tier keeps (table 11.1): of each of the newest N periods that have a candidate, the one
 * nearest to the preferred day; of several at that distance a verified one, then the newest. Tiers
 * count on their own, so one backup may stand for several.
 *
 * Takes the candidates of one database and kind, the newest first.
 */
export function gfsReasons<C extends Candidate>(
  candidates: readonly C[],
  rule: GfsRule,
): Map<C, GfsReason[]> {
  const dated = candidates.map((candidate) => ({ candidate, day: dayOf(candidate, rule.zone) }));
  const reasons = new Map<C, GfsReason[]>();
  for (const kind of tiers.filter((tier) => rule[tier] > 0)) {
    const chosen = [...choosePerPeriod(dated, (day) => periods[kind](day, rule))];
    chosen.sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [index, [period, { candidate, distance }]] of chosen
      .slice(0, rule[kind])
      .entries()) {
      const preferred = preferredDay[kind](rule);
      const reason = { kind, rank: index + 1, of: rule[kind], period, preferred, distance };
      reasons.set(candidate, [...(reasons.get(candidate) ?? []), reason]);
    }
  }
  return reasons;
}

const tiers: readonly Tier[] = ["daily", "weekly", "monthly", "yearly"];

const preferredDay: Record<Tier, (rule: GfsRule) => number> = {
  daily: () => 0,
  weekly: ({ weekday }) => weekday,
  monthly: ({ monthDay }) => monthDay,
  yearly: ({ monthDay }) => monthDay,
};

/** Days are counted from 1970-01-01 as calendars in the zone show them. */
type Day = number;

/** A day, week, month or year: names sort by time. */
interface Period {
  name: string;
  preferred: Day;
}

const periods: Record<Tier, (day: Day, rule: GfsRule) => Period> = {
  daily: (day) => ({ name: isoDate(day), preferred: day }),
  weekly: (day, { weekday }) => weekOf(day, weekday),
  monthly(day, { monthDay }) {
    const date = isoDate(day);
    const [year, month] = [Number(date.slice(0, 4)), Number(date.slice(5, 7))];
    return { name: date.slice(0, 7), preferred: dayOfMonth(year, month, monthDay) };
  },
  yearly(day, { monthDay }) {
    const year = isoDate(day).slice(0, 4);
    return { name: year, preferred: dayOfMonth(Number(year), 1, monthDay) };
  },
};

interface Dated<C> {
  candidate: C;
  day: Day;
}

interface Chosen<C> {
  candidate: C;
  distance: number;
}

function choosePerPeriod<C extends Candidate>(
  dated: readonly Dated<C>[],
  periodOf: (day: Day) => Period,
): Map<string, Chosen<C>> {
  const chosen = new Map<string, Chosen<C>>();
  const known = new Map<Day, Period>();
  for (const { candidate, day } of dated) {
    const period = known.get(day) ?? periodOf(day);
    known.set(day, period);
    const { name, preferred } = period;
    const distance = Math.abs(day - preferred);
    const best = chosen.get(name);
    // The newest come first: an equal one that follows is older.
    if (best === undefined || isBetter({ candidate, distance }, best))
      chosen.set(name, { candidate, distance });
  }
  return chosen;
}

function isBetter<C extends Candidate>(a: Chosen<C>, b: Chosen<C>): boolean {
  if (a.distance !== b.distance) return a.distance < b.distance;
  return a.candidate.verified && !b.candidate.verified;
}

const dayMs = 86_400_000;

function dayOf({ committed }: Candidate, zone: string): Day {
  const moment = committed.getTime();
  if (zone === "UTC") return Math.floor(moment / dayMs);
  const known = knownDays.get(committed);
  if (known?.zone === zone) return known.day;
  const day = Math.floor(wallOf(moment, zone) / dayMs);
  knownDays.set(committed, { zone, day });
  return day;
}

/** A simulation asks for the same backups every day, and a calendar is slow. */
const knownDays = new WeakMap<Date, { zone: string; day: Day }>();

function isoDate(day: Day): string {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}

/** A week belongs to the year that its Thursday is in (ISO 8601). */
function weekOf(day: Day, weekday: number): Period {
  // 1970-01-01 was a Thursday.
  const monday = day - ((((day + 3) % 7) + 7) % 7);
  const year = Number(isoDate(monday + 3).slice(0, 4));
  const week = Math.floor((monday + 3 - dayOfMonth(year, 1, 1)) / 7) + 1;
  return { name: `${year}-W${String(week).padStart(2, "0")}`, preferred: monday + weekday - 1 };
}

/** Beyond the end of a month, and for 0, its last day. */
function dayOfMonth(year: number, month: number, day: number): Day {
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return Date.UTC(year, month - 1, day === 0 ? last : Math.min(day, last)) / dayMs;
}
