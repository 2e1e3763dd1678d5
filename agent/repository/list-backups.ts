import type { ObjectStore } from "../store/object-store.ts";
import type { BackupHeader } from "./manifest.ts";

export declare function listBackups(
  store: ObjectStore,
  options: { signal: AbortSignal },
): AsyncIterable<BackupHeader>;

/** `name`: `latest`, `host/database:latest`, a backup id or a unique beginning of one. */
export declare function findBackup(
  store: ObjectStore,
  name: string,
  options: { signal: AbortSignal },
): Promise<BackupHeader>;
