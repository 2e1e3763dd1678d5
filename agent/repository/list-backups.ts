import type { ObjectStore } from "../store/object-store.ts";
import type { BackupHeader } from "./manifest.ts";

export declare function listBackups(
  store: ObjectStore,
  options: { signal: AbortSignal },
): AsyncIterable<BackupHeader>;
