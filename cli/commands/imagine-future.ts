import type { ListedBackup } from "../../agent/retention/list-stored-backups.ts";
import { DbctlError } from "../../core/errors.ts";
import type { Series } from "../../core/retention/imagine-backups.ts";
import {
  imagineBackups,
  median,
  seriesLength,
  usualInterval,
} from "../../core/retention/imagine-backups.ts";
import type { StoredBackup } from "../../core/retention/simulate-retention.ts";
import type { SimulationPlan } from "./retention-options.ts";

interface Span {
  from: Date;
  until: Date;
}

/** One database that has no backup yet, and gets its first one at once. */
export function imagineSeries(plan: SimulationPlan, { from, until }: Span): StoredBackup[] {
  const { everySeconds = 86_400, bytes = 0, growthPerDay } = plan;
  const what = { database: "imagined", name: "imagined", kind: "logical" };
  return imagineAll([{ ...what, first: from, everySeconds, until, bytes, growthPerDay }]);
}

/**
 * How each database's backups go on: at their usual interval and size, unless the plan says else.
 * Of a database that had too few to tell, none are imagined.
 */
export function imagineFuture(
  past: readonly ListedBackup[],
  plan: SimulationPlan,
  { from, until }: Span,
): StoredBackup[] {
  const groups = Map.groupBy(past, ({ database, kind }) => JSON.stringify([database, kind]));
  const series = [...groups.values()].flatMap((group): Series[] => {
    const [{ database, name, kind }] = group as [ListedBackup];
    const everySeconds = plan.everySeconds ?? usualInterval(group);
    if (everySeconds === undefined) return [];
    const bytes = plan.bytes ?? usualSize(group);
    const first = nextAfter(from, group, everySeconds);
    const { growthPerDay } = plan;
    return [{ database, name, kind, first, everySeconds, until, bytes, growthPerDay }];
  });
  return imagineAll(series);
}

/** More would take minutes to judge day by day. */
const mostBackups = 10_000;

function imagineAll(series: readonly Series[]): StoredBackup[] {
  const count = series.reduce((sum, one) => sum + seriesLength(one), 0);
  if (count <= mostBackups) return series.flatMap(imagineBackups);
  throw new DbctlError("usage", `Cannot imagine ${count} backups: ${mostBackups} at most`, {
    remedy: "Simulate a shorter time (--for), rarer backups (--every) or one --database",
  });
}

/** Of the last seven: a first backup stores everything, those after it what has changed. */
function usualSize(group: readonly ListedBackup[]): number {
  const last = group.toSorted((a, b) => Number(a.finished) - Number(b.finished)).slice(-7);
  return median(last.map(({ stored }) => stored)) ?? 0;
}

/** The rhythm goes on from the newest one, after the moment. */
function nextAfter(from: Date, group: readonly ListedBackup[], everySeconds: number): Date {
  const times = group.map(({ committed }) => Number(committed ?? 0));
  const newest = Math.max(...times.filter((time) => time <= from.getTime()));
  const step = everySeconds * 1000;
  const steps = Math.floor((from.getTime() - newest) / step) + 1;
  return new Date(Number.isFinite(newest) && newest > 0 ? newest + steps * step : from.getTime());
}
