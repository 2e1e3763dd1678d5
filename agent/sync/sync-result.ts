/** Objects and their bytes. */
export interface Amount {
  objects: number;
  bytes: number;
}

/**
 * What became of a backup: `gone`: a prune removed it from the source meanwhile; `removed`: one has
 * removed it from the destination.
 */
export interface SyncedBackup {
  instance: string;
  id: string;
  /** `host/database`. */
  database: string;
  state: "copied" | "present" | "gone" | "removed" | "failed";
  /** Of a failure. */
  why?: string;
}

export interface SyncFailure {
  object: string;
  what: string;
}

export interface SyncResult {
  /** When it began, ISO 8601. */
  at: string;
  isDryRun: boolean;
  /** Not all backups were asked for: `repo check --partial-copy` knows. */
  isPartial: boolean;
  copied: Amount;
  /** What the destination had. */
  present: Amount;
  backups: SyncedBackup[];
  /** Removed from the destination because a prune has removed it from the source. */
  removed: string[];
  /** Would have been removed, but something keeps it: a lock or a hold. */
  kept: SyncFailure[];
  /** What was not copied, and why. */
  failures: SyncFailure[];
  /** Backups whose marks are the destination's own. */
  ownMarks: string[];
}
