import type { PruneRecord, Sighting } from "../repository/prune-record.ts";

/** Since when prunes have seen objects that nothing needs. All by the pruners' clock. */
export class Sightings {
  readonly #now: Date;
  readonly #before: ReadonlyMap<string, number>;
  readonly #seen = new Map<string, number>();

  constructor(last: Pick<PruneRecord, "seen"> | undefined, now: Date) {
    this.#now = now;
    const pairs = (last?.seen ?? []).flatMap(({ since, objects }) =>
      objects.map((key): [string, number] => [key, Date.parse(since)]),
    );
    this.#before = new Map(pairs);
  }

  /** Notes that it is seen, for the next prune; since when it was. A later time counts as now. */
  since(key: string): Date {
    const since = Math.min(this.#before.get(key) ?? +this.#now, +this.#now);
    this.#seen.set(key, since);
    return new Date(since);
  }

  /** Whether the prune before has seen it. */
  wasSeen(key: string): boolean {
    return this.#before.has(key);
  }

  /** Whether this prune has seen it. */
  isSeen(key: string): boolean {
    return this.#seen.has(key);
  }

  /**
   * Forgets what is more than the next prune can be told, the latest first: it is seen anew then, and
   * waits for longer. Every server has its share, so that none pushes the others out.
   */
  shrink(most: number): void {
    const servers = Map.groupBy(this.#seen, ([key]) => key.split("/")[0] ?? "");
    let left = most;
    let others = servers.size;
    for (const seen of [...servers.values()].toSorted((a, b) => a.length - b.length)) {
      const share = Math.min(seen.length, Math.floor(left / others));
      left -= share;
      others -= 1;
      const byTime = share < seen.length ? seen.toSorted(earlier) : [];
      for (const [key] of byTime.slice(share)) this.#seen.delete(key);
    }
  }

  record(): Sighting[] {
    const groups = Map.groupBy(this.#seen, ([, since]) => since);
    return [...groups]
      .toSorted(([a], [b]) => a - b)
      .map(([since, pairs]) => ({
        since: new Date(since).toISOString(),
        objects: pairs.map(([key]) => key).toSorted(),
      }));
  }
}

function earlier([a, since]: [string, number], [b, later]: [string, number]): number {
  if (since !== later) return since - later;
  return a < b ? -1 : 1;
}
