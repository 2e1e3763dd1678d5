/** A good backup, as point-in-time recovery sees it: a base that the log carries on from. */
export interface Base {
  committed: Date;
  /** Until when the log goes on from this base without a hole, where that is known. */
  logReaches?: Date | undefined;
}

/**
 * The bases that may be needed to recover to a moment from `start` on (LOG-10). Takes all, the newest
 * first, that are there now.
 *
 * Those after `start` are all needed: each may be the only one behind a hole, and how the log goes on
 * from it is not known yet. Of those before, the newest, whose log may be late; the newest of those
 * whose log is not known; and the one whose log reaches furthest, as the newer ones may be of a line
 * that has ended.
 */
export function neededBases<B extends Base>(bases: readonly B[], start: Date): Set<B> {
  const before = bases.filter(({ committed }) => committed <= start);
  const needed = new Set(bases.filter(({ committed }) => committed > start));
  const reaching = before.filter((base) => (reachOf(base) ?? -Infinity) >= start.getTime());
  const furthest = reaching.reduce<B | undefined>(further, undefined);
  const unknown = before.find((base) => reachOf(base) === undefined);
  for (const base of [before[0], unknown, furthest]) if (base !== undefined) needed.add(base);
  return needed;
}

/** Of two that reach as far, the newer one, which needs less log. */
function further<B extends Base>(best: B | undefined, base: B): B {
  if (best === undefined) return base;
  return (reachOf(base) ?? 0) > (reachOf(best) ?? 0) ? base : best;
}

function reachOf({ logReaches }: Base): number | undefined {
  const time = logReaches?.getTime();
  return time === undefined || Number.isNaN(time) ? undefined : time;
}
