import { DbctlError } from "../../core/errors.ts";
import { parseBackupBody } from "../backup/backup-body.ts";
import type { Engine } from "../engines/engine.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { planRestore } from "./open-target.ts";

/**
 * Drops the database that an unfinished restore of this backup has created; `restore-unknown` when
 * there is none, `target-changed` when it is another backup's.
 */
export async function discardRestore(
  { engine, backup }: { engine: Engine; backup: OpenBackup },
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const plan = planRestore(backup, parseBackupBody(backup));
  await using target = await engine.prepareTarget(plan, { create: false, resume: true, signal });
  if (!target.created)
    throw new DbctlError("engine-refused", "Cannot drop the database: it was there before", {
      remedy: "Empty it yourself: the restore into it did not create it",
    });
  await target.undo({ signal });
}
