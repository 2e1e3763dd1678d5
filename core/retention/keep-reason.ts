import { formatDuration } from "../duration.ts";
import type { GfsRule } from "./retention-rule.ts";

/** Why a backup is kept: first what a rule asks for, then the floors above every rule. */
export type KeepReason =
  | { kind: "last"; rank: number; of: number }
  | { kind: "within"; seconds: number }
  | { kind: "days"; days: number }
  | { kind: "minimum"; rank: number; of: number }
  | GfsReason
  | { kind: "tag"; tag: string }
  | { kind: "pitr-window"; seconds: number }
  | { kind: "newest" }
  | { kind: "newest-good" }
  | { kind: "newest-proved" }
  | { kind: "nothing-whole" }
  | { kind: "nothing-kept" }
  | { kind: "young"; seconds: number }
  | { kind: "hold"; why: string }
  | { kind: "frozen"; why: string }
  | { kind: "keep-until"; until: Date }
  | { kind: "locked"; until: Date }
  | { kind: "future"; committed: Date }
  | { kind: "time-unknown" };

/** One backup stands for a period: for example the second of four weeks. */
export interface GfsReason {
  kind: Tier;
  rank: number;
  of: number;
  /** `2026-11-20`, `2026-W47`, `2026-11` or `2026`. */
  period: string;
  /** The day of the week (weekly) or of the month (monthly, yearly) that is preferred. */
  preferred: number;
  /** Days between that day and the backup's. */
  distance: number;
}

export type Tier = keyof Pick<GfsRule, "daily" | "weekly" | "monthly" | "yearly">;

/** In words, for people: `weekly 2 of 4: 2026-W46, nearest to Sunday`. */
export function describeReason(reason: KeepReason): string {
  switch (reason.kind) {
    case "last":
      return `newest ${reason.rank} of ${reason.of}`;
    case "within":
      return `within ${formatDuration(reason.seconds)} of the newest good backup`;
    case "days":
      return `younger than ${reason.days} d`;
    case "minimum":
      return `newest ${reason.rank} of at least ${reason.of}`;
    case "daily":
    case "weekly":
    case "monthly":
    case "yearly":
      return describePeriod(reason);
    case "tag":
      return `tag ${reason.tag}`;
    case "pitr-window":
      return `needed to recover to any moment of the last ${formatDuration(reason.seconds)}`;
    case "newest":
    case "newest-good":
    case "newest-proved":
    case "nothing-whole":
    case "nothing-kept":
    case "time-unknown":
      return fixedWords[reason.kind];
    case "young":
      return `younger than ${reason.seconds / 3600} h`;
    case "hold":
      return `held: ${reason.why}`;
    case "frozen":
      return `nothing of this database may go: ${reason.why}`;
    case "keep-until":
      return `to be kept until ${timeOf(reason.until)}`;
    case "locked":
      return `locked until ${timeOf(reason.until)}`;
    case "future":
      return `its time ${timeOf(reason.committed)} is in the future`;
  }
}

const fixedWords = {
  newest: "newest backup",
  "newest-good": "newest good backup",
  "newest-proved": "newest backup proved by a drill",
  "nothing-whole": "no backup of this database is whole",
  "nothing-kept": "the rule would keep nothing of this database",
  "time-unknown": "when it was stored is not known",
};

function describePeriod({ kind, rank, of, period, preferred, distance }: GfsReason): string {
  const what = `${kind} ${rank} of ${of}: ${period}`;
  if (kind === "daily") return what;
  return `${what}, ${distance === 0 ? "on" : "nearest to"} ${preferredDay(kind, preferred)}`;
}

function preferredDay(tier: Tier, preferred: number): string {
  if (tier === "weekly") return dayNames[preferred - 1] ?? "";
  const month = tier === "yearly" ? " of January" : "";
  return preferred === 0 ? `the last day${month}` : `day ${preferred}${month}`;
}

const dayNames = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/** A time that cannot be read is kept for, and must not fail the words about it. */
function timeOf(time: Date): string {
  return Number.isNaN(time.getTime()) ? "an unreadable time" : time.toISOString();
}
