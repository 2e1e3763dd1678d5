import type { ObjectStore } from "../store/object-store.ts";
import type { EpochKeys } from "./epoch.ts";
import type { RepositoryInfo } from "./open-repository.ts";

export interface HostStateOptions {
  stateDir: string;
  repository: RepositoryInfo;
  instance: string;
  store: ObjectStore;
  /** Begin a new epoch, whatever is there. */
  fresh: boolean;
  now: Date;
  signal: AbortSignal;
}

export interface HostState extends AsyncDisposable {
  readonly epoch: EpochKeys;
  readonly indexPath: string;
}

export declare function openHostState(options: HostStateOptions): Promise<HostState>;
