import type { Secret } from "../../core/secret.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { EpochKeys } from "./epoch.ts";
import type { BackupHeader } from "./manifest.ts";
import type { RepositoryInfo } from "./open-repository.ts";
import type { StreamMap } from "./map.ts";

export interface OpenBackupOptions {
  store: ObjectStore;
  repository: RepositoryInfo;
  header: BackupHeader;
  /** An age identity that may open the epoch, or the epoch's key itself. */
  keys: { identity: Secret } | { epoch: EpochKeys };
  signal: AbortSignal;
}

export interface OpenBackup {
  readonly store: ObjectStore;
  readonly header: BackupHeader;
  /** What the writer's caller put there. Not checked beyond being JSON. */
  readonly body: unknown;
  readonly epoch: EpochKeys;
  /** All stream numbers. */
  readonly streams: number[];
  streamMap(stream: number): Promise<StreamMap>;
}

export declare function openBackup(options: OpenBackupOptions): Promise<OpenBackup>;
