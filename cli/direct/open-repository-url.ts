import { openStore } from "../../agent/adapters.ts";
import { findBackup } from "../../agent/repository/list-backups.ts";
import { openBackup, type OpenBackup } from "../../agent/repository/open-backup.ts";
import { openRepository, type RepositoryInfo } from "../../agent/repository/open-repository.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";
import type { TransferCaps } from "../../agent/store/transfer-limit.ts";
import { type KeyFlags, unlock } from "./held-keys.ts";

export interface OpenedRepository {
  store: ObjectStore;
  repository: RepositoryInfo;
}

export async function openRepositoryUrl(
  url: string,
  { caps = {}, signal }: { caps?: TransferCaps; signal: AbortSignal },
): Promise<OpenedRepository> {
  const store = await openStore(url, { caps, signal });
  return { store, repository: await openRepository(store, { signal }) };
}

interface OpenFlags extends KeyFlags {
  repo: string;
  /** Also one that was deleted. */
  deleted?: boolean;
  caps?: TransferCaps;
  signal: AbortSignal;
}

/** Opens a backup by name (`latest`, `host/db:latest`, an id) with what the one who asks holds. */
export async function openBackupByName(
  name: string,
  { repo, deleted = false, caps = {}, signal, ...flags }: OpenFlags,
): Promise<OpenBackup> {
  const { store, repository } = await openRepositoryUrl(repo, { caps, signal });
  const keys = { identity: await unlock(repository, flags, { signal }) };
  const header = await findBackup(store, name, { deleted, signal });
  return await openBackup({ store, repository, header, keys, signal });
}
