import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { newRandomId } from "./identifier.ts";
import { encodeMark, type MarkKind } from "./mark.ts";
import { foldMarks, type MarkState } from "./mark-state.ts";
import { markKey } from "./object-key.ts";
import { type BackupPlace, readMarks } from "./read-marks.ts";

/** What is to be said. */
export interface NewMark {
  mark: MarkKind;
  reason: string;
  /** Seconds; of `delete`. */
  window?: number;
  /** Of `tag` and `untag`. */
  tag?: string;
}

export interface PutMarkOptions {
  /**
   * Decides on what the marks say now: what to add, or undefined for nothing; throws to refuse.
   * Called again when somebody else was faster.
   */
  decide: (state: MarkState) => NewMark | undefined;
  by: string;
  now: Date;
  signal: AbortSignal;
}

/** Of one call, against others that mark the same backup. */
const maxTries = 100;

/**
 * Adds a mark to a backup: of several at once, one wins, and the others decide anew. Gives what the
 * marks say afterwards.
 */
export async function putMark(
  store: ObjectStore,
  place: BackupPlace,
  { decide, by, now, signal }: PutMarkOptions,
): Promise<{ state: MarkState; put: boolean }> {
  const { repository, instance, id: backup } = place;
  const id = newRandomId();
  for (let tries = 0; tries < maxTries; tries++) {
    const marks = await readMarks(store, place, { signal });
    const state = foldMarks(marks);
    // "It exists already" may be the answer to a repeated put of this very mark.
    if (marks.some(({ mark }) => mark.id === id)) return { state, put: true };
    const said = decide(state);
    if (said === undefined) return { state, put: false };
    const { mark, reason, window = null, tag = null } = said;
    const number = state.number + 1;
    const about = { format: 1 as const, repository, instance, backup, number, id };
    const bytes = encodeMark({ ...about, mark, at: now.toISOString(), by, reason, window, tag });
    try {
      await store.put(markKey(place, number), [bytes], { signal });
    } catch (error) {
      if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
    }
  }
  throw new DbctlError("busy", `Cannot mark backup ${backup}: others mark it all the time`, {
    remedy: "Try again",
    retryable: true,
  });
}
