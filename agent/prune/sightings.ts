import type { PruneRecord, Sighting } from "../repository/prune-record.ts";

/** Since when prunes have seen objects that nothing needs. All by the pruners' clock. */
export class Sightings {
  readonly #now: Date;
  readonly #before: ReadonlyMap<string, number>;
  readonly #seen = new Map<string, number>();

  constructor(last: PruneRecord | undefined, now: Date) {
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
