import type { BackupHeader } from "../repository/manifest.ts";
import { isDeleted, type MarkState, unmarked } from "../repository/mark-state.ts";
import type { BackupFacts } from "../retention/list-stored-backups.ts";

/** What the marks say of backups, for retention: a deleted one stands for nothing. */
export function factsByMarks(
  marks: ReadonlyMap<string, MarkState>,
): (header: BackupHeader) => BackupFacts | undefined {
  return ({ instance, id }) => {
    const state = marks.get(`${instance}/${id}`) ?? unmarked;
    if (isDeleted(state)) return undefined;
    const { held, tags } = state;
    const why = held?.reason === "" ? `by ${held.by}` : held?.reason;
    return why === undefined ? { tags } : { tags, hold: why };
  };
}
