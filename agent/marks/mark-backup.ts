import { DbctlError } from "../../core/errors.ts";
import type { MarkState } from "../repository/mark-state.ts";
import { type NewMark, putMark } from "../repository/put-mark.ts";
import type { BackupPlace } from "../repository/read-marks.ts";
import type { ObjectStore } from "../store/object-store.ts";

export interface MarkOptions {
  store: ObjectStore;
  /** Who says so: for the mark, and for whoever asks later. */
  by: string;
  reason: string;
  /** The clock of whoever marks. */
  now: Date;
  signal: AbortSignal;
}

export interface Marked {
  state: MarkState;
  /** False when it was so before. */
  changed: boolean;
}

/** Takes a deletion back. A backup that a prune has begun to remove cannot be had back. */
export async function undeleteBackup(place: BackupPlace, options: MarkOptions): Promise<Marked> {
  return await mark(place, options, (state) => {
    assertThere(place, state, "undelete");
    if (state.deleted !== undefined) return { mark: "undelete", reason: options.reason };
    return undefined;
  });
}

/** Gives a backup a name that retention rules can ask for, or takes it away. */
export async function tagBackup(
  place: BackupPlace,
  { tag, remove, ...options }: MarkOptions & { tag: string; remove: boolean },
): Promise<Marked> {
  return await mark(place, options, (state) => {
    assertThere(place, state, "tag");
    if (state.tags.includes(tag) !== remove) return undefined;
    return { mark: remove ? "untag" : "tag", tag, reason: options.reason };
  });
}

/** Adds what `decide` says, as `putMark` does. */
export async function mark(
  place: BackupPlace,
  { store, by, now, signal }: MarkOptions,
  decide: (state: MarkState) => NewMark | undefined,
): Promise<Marked> {
  const { state, put } = await putMark(store, place, { decide, by, now, signal });
  return { state, changed: put };
}

/** Refuses what comes too late. */
export function assertThere({ id }: BackupPlace, { removing }: MarkState, act: string): void {
  if (removing === undefined) return;
  const since = removing.at.toISOString();
  throw new DbctlError("backup-unknown", `Cannot ${act} backup ${id}: it was removed at ${since}`, {
    remedy: "Look whether a copy of the repository still has it",
  });
}
