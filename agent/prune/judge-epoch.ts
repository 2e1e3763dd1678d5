import { maxEpochAgeMs } from "../repository/host-state.ts";
import { intentLifeMs } from "../repository/intent.ts";

/** Whether any host may still refer to the epoch's packs. */
export type EpochState =
  | { closed: true; why: "succeeded" | "unchanged" | "retired" }
  | { closed: false; why: OpenReason; until: Date | undefined };

export type OpenReason =
  /** Something was added since the day before. */
  | "changed"
  /** A backup has begun in it, and not ended. */
  | "running"
  /** The newest backup of its host is in it. */
  | "current"
  /** No backup in it tells whether its host has gone on to another one. */
  | "unknown-host"
  /** A manifest of its server is missing, which no prune has removed: it may need any pack. */
  | "incomplete"
  /** Two hosts, or a replayed manifest, share a signing key. */
  | "forked"
  /** Younger than an epoch's longest life: a copy of its host might go on with it. */
  | "young";

/** All that decides. Times by the pruners' clock, but for `created`: by the store's. */
export interface EpochFacts {
  firstSeen: Date;
  unchangedSince: Date;
  /** When its key came to the store, where the store tells. */
  created: Date | undefined;
  /** Since when each intent without a manifest was seen. */
  running: readonly Date[];
  /** The hosts whose backups are in it. */
  signers: readonly { isCurrent: boolean; isForked: boolean }[];
  /** An operator says that no host uses it any more. */
  isRetired: boolean;
  /** Whether a backup of the server is missing, and no prune has removed it. */
  isIncomplete: boolean;
}

const dayMs = 24 * 3600 * 1000;
/** A thing must have been seen so for this long before anything is removed because of it. */
export const settledMs = dayMs;
/** A host that was silent for twice the longest life of an epoch begins a new one. */
export const silentMs = 2 * maxEpochAgeMs;
/**
 * A host refers to packs of its current epoch only, and goes from an epoch to the next one, never
 * back. So what is unreferenced in an epoch that its host has left stays so. Pure.
 */
export function judgeEpoch(facts: EpochFacts, now: Date): EpochState {
  const { firstSeen, unchangedSince, created, running, signers, isRetired, isIncomplete } = facts;
  const after = (time: Date, ms: number) => new Date(+time + ms);
  const open = (why: OpenReason, until: Date): EpochState => ({ closed: false, why, until });
  const settled = after(unchangedSince, settledMs);
  if (settled > now) return open("changed", settled);
  if (isRetired) return { closed: true, why: "retired" };
  if (isIncomplete) return { closed: false, why: "incomplete", until: undefined };
  const silent = after(unchangedSince, silentMs);
  if (silent <= now) return { closed: true, why: "unchanged" };
  const ended = running.map((since) => after(since, intentLifeMs)).filter((end) => end > now);
  if (ended.length > 0) return open("running", new Date(Math.max(...ended.map(Number))));
  if (signers.length === 0) return open("unknown-host", silent);
  if (signers.some(({ isForked }) => isForked)) return open("forked", silent);
  if (signers.some(({ isCurrent }) => isCurrent)) return open("current", silent);
  const born = created === undefined || firstSeen < created ? firstSeen : created;
  const old = after(born, maxEpochAgeMs + dayMs);
  if (old > now) return open("young", old);
  return { closed: true, why: "succeeded" };
}
