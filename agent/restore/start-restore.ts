import type { DatabaseAccess } from "../database-access.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { restoreBackup, type RestoreEvent, type RestoreOptions } from "./restore-backup.ts";

export interface RestoreRequest {
  database: DatabaseAccess;
  backup: OpenBackup;
  /** The URL that the backup's store was opened with; lanes open it again. */
  storeUrl: string;
}

/** Restores a backup; the one way for the command line and for jobs of the fleet. */
export function startRestore(
  { database, backup, storeUrl }: RestoreRequest,
  options: RestoreOptions,
): AsyncGenerator<RestoreEvent> {
  const { engine } = database;
  const { signal } = options;
  return restoreBackup(
    {
      engine,
      backup,
      openLane: (epoch) => database.openLane({ kind: "restore", epoch }, { storeUrl, signal }),
    },
    options,
  );
}
