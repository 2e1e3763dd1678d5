import { openStore } from "../../agent/adapters.ts";
import { readIdentityFile } from "../../agent/repository/identity.ts";
import { findBackup } from "../../agent/repository/list-backups.ts";
import { openBackup, type OpenBackup } from "../../agent/repository/open-backup.ts";
import { openRepository, type RepositoryInfo } from "../../agent/repository/open-repository.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";

export interface OpenedRepository {
  store: ObjectStore;
  repository: RepositoryInfo;
}

export async function openRepositoryUrl(
  url: string,
  { signal }: { signal: AbortSignal },
): Promise<OpenedRepository> {
  const store = await openStore(url);
  return { store, repository: await openRepository(store, { signal }) };
}

/** Opens a backup by name (`latest`, `host/db:latest`, an id) with the identity in a file. */
export async function openBackupByName(
  name: string,
  { repo, identity, signal }: { repo: string; identity: string; signal: AbortSignal },
): Promise<OpenBackup> {
  const keys = { identity: await readIdentityFile(identity) };
  const { store, repository } = await openRepositoryUrl(repo, { signal });
  const header = await findBackup(store, name, { signal });
  return await openBackup({ store, repository, header, keys, signal });
}
