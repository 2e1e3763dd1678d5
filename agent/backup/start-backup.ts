import type { DatabaseAccess } from "../database-access.ts";
import type { HostState } from "../repository/host-state.ts";
import { openPinnedRepository } from "../repository/repository-pin.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { backUpDatabase, type BackupEvent, type BackupOptions } from "./back-up-database.ts";

export interface BackupRequest {
  database: DatabaseAccess;
  store: ObjectStore;
  /** The URL that the store was opened with; lanes open it again. */
  storeUrl: string;
  /** Folder of this host's state: epoch keys and chunk indexes. */
  stateDir: string;
  now: () => Date;
  /** Version of dbctl, for the manifest. */
  tool: string;
}

/** Backs a database up; the one way for the command line and for jobs of the fleet. */
export async function* startBackup(
  { database, store, storeUrl, ...rest }: BackupRequest,
  options: BackupOptions,
): AsyncGenerator<BackupEvent> {
  const { engine } = database;
  const { signal } = options;
  const { stateDir, now } = rest;
  const pin = { stateDir, url: storeUrl, now: now() };
  const repository = await openPinnedRepository(store, { ...pin, signal });
  const openLane = ({ epoch, indexPath }: HostState) =>
    database.openLane({ kind: "backup", epoch, indexPath }, { storeUrl, signal });
  yield* backUpDatabase({ engine, store, repository, openLane, ...rest }, options);
}
