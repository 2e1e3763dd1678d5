import type { RetainedBackup } from "./keep-backups.ts";
import type { StoredBackup } from "./simulate-retention.ts";

/** A series of backups as it might come; all of them good, none verified. */
export interface Series {
  database: string;
  /** How people call the database; begins the ids. */
  name: string;
  kind: string;
  /** When the first one is committed. */
  first: Date;
  everySeconds: number;
  /** No later than this. */
  until: Date;
  /** What the first one stores. */
  bytes: number;
  /** By what share each day more is stored than the day before: 0.01 is 1 %. */
  growthPerDay: number;
}

export function imagineBackups(series: Series): StoredBackup[] {
  const { database, name, kind, first, everySeconds, until, bytes, growthPerDay } = series;
  const backups: StoredBackup[] = [];
  for (let at = first.getTime(); at <= until.getTime(); at += everySeconds * 1000) {
    const committed = new Date(at);
    const days = (at - first.getTime()) / 86_400_000;
    const time = committed.toISOString();
    const id = `${name}@${time.slice(0, 19)}Z`;
    // Two servers may have databases that people call the same.
    const pack = `${database}@${time}`;
    const size = Math.round(bytes * (1 + growthPerDay) ** days);
    const facts = { state: "complete", verified: false, proved: false, tags: [] } as const;
    backups.push({ id, database, kind, committed, ...facts, packs: [{ pack, size }] });
  }
  return backups;
}

/** How many `imagineBackups` would give. */
export function seriesLength({ first, until, everySeconds }: Series): number {
  return Math.max(0, Math.floor((until.getTime() - first.getTime()) / 1000 / everySeconds) + 1);
}

/**
 * The usual time between the good backups of one database and kind, in seconds: the median, which
 * bears a pause and a burst. Undefined for fewer than three: two tell no rhythm.
 */
export function usualInterval(backups: readonly RetainedBackup[]): number | undefined {
  const times = backups
    .filter(({ state, committed }) => state === "complete" && committed !== undefined)
    .map(({ committed }) => Number(committed))
    .toSorted((a, b) => a - b);
  const gaps = times.slice(1).map((time, n) => (time - (times[n] ?? 0)) / 1000);
  const usual = median(gaps);
  return gaps.length < 2 || usual === undefined || usual < 1 ? undefined : usual;
}

/** The lower one of the two in the middle. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}
