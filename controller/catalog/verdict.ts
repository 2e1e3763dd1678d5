import type { VerifyDepth } from "../../core/verify-depth.ts";

/** What a look at a backup found. */
export interface Look {
  /** When it was begun, by the controller's clock. */
  at: Date;
  depth: VerifyDepth;
  bytes: number;
  damages: readonly string[];
}

/** What all looks at a backup say together. */
export interface Verdict {
  /** The last of them, however close. */
  last?: Omit<Look, "damages"> | undefined;
  /** When all of it was read and was whole. Unset while it is damaged. */
  verifiedAt?: Date | undefined;
  damage?: Damage | undefined;
}

export interface Damage {
  at: Date;
  depth: VerifyDepth;
  damages: readonly string[];
}

/**
 * The verdict with one more look; pure. Looks may become known in any order. A damage stands until a
 * later look that is at least as close finds none; only `full` makes verified.
 */
export function addLook(verdict: Verdict, look: Look): Verdict {
  const { at, depth, bytes, damages } = look;
  const isNews = verdict.last === undefined || at >= verdict.last.at;
  const last = isNews ? { at, depth, bytes } : verdict.last;
  return damages.length > 0
    ? { ...addDamage(verdict, look), last }
    : { ...addGoodLook(verdict, look), last };
}

function addDamage(verdict: Verdict, { at, depth, damages }: Look): Verdict {
  const { verifiedAt, damage: known } = verdict;
  if (verifiedAt !== undefined && verifiedAt > at) return verdict;
  if (known === undefined) return { damage: { at, depth, damages } };
  const newer = known.at > at ? known : { at, damages };
  // What a close look found, a quick one cannot see.
  const closer = rank[known.depth.kind] > rank[depth.kind] ? known.depth : depth;
  return { damage: { at: newer.at, damages: newer.damages, depth: closer } };
}

function addGoodLook(verdict: Verdict, { at, depth }: Look): Verdict {
  const { verifiedAt, damage } = verdict;
  if (damage !== undefined && !(at >= damage.at && seesAll(depth, damage.depth))) return verdict;
  if (depth.kind !== "full") return { verifiedAt };
  return { verifiedAt: verifiedAt !== undefined && verifiedAt > at ? verifiedAt : at };
}

/** Each looks at all that those before it look at. */
const rank: Record<VerifyDepth["kind"], number> = { quick: 0, index: 1, sample: 2, full: 3 };

/** Another sample has other chunks. */
function seesAll(depth: VerifyDepth, found: VerifyDepth): boolean {
  if (found.kind === "sample") return depth.kind === "full";
  return rank[depth.kind] >= rank[found.kind];
}
