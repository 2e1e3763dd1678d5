import { putMark } from "../repository/put-mark.ts";
import { putRemoval } from "../repository/removal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { judgeBackup } from "./judge-backup.ts";
import { removeObject } from "./object-retention.ts";
import type { PruneEvent } from "./prune-event.ts";
import type { PlannedBackup } from "./prune-plan.ts";

export interface RemoveOptions {
  store: ObjectStore;
  by: string;
  now: Date;
  signal: AbortSignal;
}

/**
 * Removes a deleted backup: its mark, its record, its manifest, its maps, in that order. The mark is
 * the decision: whoever undeletes or holds at the same time either comes first, and the backup
 * stays, or is told that it is too late. After a crash anywhere, the next prune goes on.
 */
export async function removeBackup(
  { manifest, maps }: PlannedBackup,
  { store, by, now, signal }: RemoveOptions,
): Promise<PruneEvent[]> {
  const { instance, id: backup, repository, epoch, signer, sequence, hash, info } = manifest;
  const { state } = await putMark(store, manifest, {
    decide: (marks) => {
      const { act } = judgeBackup(marks, { created: info.created, now });
      if (act !== "remove" || marks.removing !== undefined) return undefined;
      return { mark: "remove", reason: "its time to be undeleted has passed" };
    },
    by,
    now,
    signal,
  });
  if (state.removing === undefined) return [{ kind: "spared", instance, backup }];
  const about = { format: 1 as const, repository, instance, backup, epoch, signer, sequence, hash };
  await putRemoval(store, { ...about, at: now.toISOString(), by }, { signal });
  const first = await removeObject(store, info, { now, signal });
  if (first.kind === "retained") return [first];
  const events: PruneEvent[] = [first];
  for (const map of maps) events.push(await removeObject(store, map, { now, signal }));
  return [...events, { kind: "backup-removed", instance, backup }];
}
