import type { ObjectStore } from "../store/object-store.ts";
import type { WrittenPacks } from "./chunk-writer.ts";
import type { HostState } from "./host-state.ts";
import type { BackupHeader, BackupSource } from "./manifest.ts";
import type { RepositoryInfo } from "./open-repository.ts";
import type { WrittenStream } from "./map.ts";

export interface BackupWriterOptions {
  store: ObjectStore;
  repository: RepositoryInfo;
  state: HostState;
  /** When the backup began. */
  started: Date;
  signal: AbortSignal;
}

export interface BackupContent {
  /** Anything that is JSON; given back by `openBackup` as `unknown`. */
  body: unknown;
  source: BackupSource;
  kind: "logical";
  state: "complete" | "partial";
  finished: Date;
  packs: WrittenPacks;
}

export interface BackupWriter extends AsyncDisposable {
  readonly id: string;
  /** Streams come in any order; each number once. */
  addStream(stream: number, map: WrittenStream): Promise<void>;
  commit(content: BackupContent): Promise<{ id: string; header: BackupHeader }>;
}

export declare function openBackupWriter(options: BackupWriterOptions): Promise<BackupWriter>;
