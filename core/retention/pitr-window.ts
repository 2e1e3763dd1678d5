/** A good backup, as point-in-time recovery sees it: a base that the log carries on from. */
export interface Base {
  committed: Date;
  /** Until when the log goes on from this base without a hole. */
  logReaches?: Date | undefined;
}

/**
 * The bases that are needed to recover to every moment from `start` to `now` that can be recovered
 * to at all (LOG-10). Takes them the newest first.
 *
 * Of those whose log is known, enough to lose no moment; a newer one is preferred, as it needs less
 * log. Of those whose log is not known, the newest at or before `start` and all after it, since any
 * of them may be the only one behind a hole.
 */
export function neededBases<B extends Base>(
  bases: readonly B[],
  { start, now }: { start: Date; now: Date },
): Set<B> {
  const unknown = bases.filter((base) => reachOf(base) === undefined);
  const first = unknown.findIndex(({ committed }) => committed <= start);
  const needed = new Set(first === -1 ? unknown : unknown.slice(0, first + 1));
  for (const base of coveringBases(bases, { start, now })) needed.add(base);
  return needed;
}

/** The fewest whose spans cover, within start … now, all that the spans of all of them cover. */
function* coveringBases<B extends Base>(
  bases: readonly B[],
  { start, now }: { start: Date; now: Date },
): Generator<B> {
  const spans = bases.flatMap((base) => {
    const to = reachOf(base);
    if (to === undefined) return [];
    return [{ base, from: base.committed.getTime(), to: Math.min(to, now.getTime()) }];
  });
  let moment = start.getTime();
  let isCovered = false;
  while (moment <= now.getTime()) {
    let best: (typeof spans)[number] | undefined;
    for (const span of spans) {
      const helps = span.from <= moment && (isCovered ? span.to > moment : span.to >= moment);
      if (helps && (best === undefined || span.to > best.to)) best = span;
    }
    if (best !== undefined) {
      yield best.base;
      moment = best.to;
      isCovered = true;
      continue;
    }
    const later = spans.findLast(({ from }) => from > moment);
    if (later === undefined) return;
    moment = later.from;
    isCovered = false;
  }
}

function reachOf({ committed, logReaches }: Base): number | undefined {
  const to = logReaches?.getTime();
  if (to === undefined || Number.isNaN(to)) return undefined;
  return Math.max(to, committed.getTime());
}
