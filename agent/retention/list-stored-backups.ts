import type { StoredBackup } from "../../core/retention/simulate-retention.ts";
import { listManifests } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { readHeader } from "../repository/read-header.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** A backup of a repository, as retention judges it. */
export interface ListedBackup extends StoredBackup {
  instance: string;
  /** How people call the database: `host/database`. */
  name: string;
  /** By the host's own clock: to be shown, never to be judged by. */
  finished: Date;
  /** Bytes of the packs that were written for it. */
  stored: number;
}

/** What is known of a backup besides its header; what is left out is not known to be so. */
export type BackupFacts = Partial<
  Pick<
    StoredBackup,
    "verified" | "proved" | "tags" | "hold" | "keepUntil" | "lockedUntil" | "logReaches"
  >
> & { corrupted?: boolean };

interface Options {
  /** What is known besides; undefined leaves the backup out, as one that is deleted already. */
  factsOf?: (header: BackupHeader) => BackupFacts | undefined;
  /** Whether to keep the lists of packs, which are long; else they are empty. */
  withPacks?: boolean;
  signal: AbortSignal;
}

/**
 * Every backup of the repository with what retention has to know. A manifest that cannot be read is
 * an error: it might be the newest good one.
 */
export async function listStoredBackups(
  store: ObjectStore,
  { factsOf = () => ({}), withPacks = true, signal }: Options,
): Promise<ListedBackup[]> {
  const backups: ListedBackup[] = [];
  for await (const { key, created } of listManifests(store, { signal })) {
    const { header } = await readHeader(store, key, { signal });
    const facts = factsOf(header);
    if (facts === undefined) continue;
    const locks = await lockFacts(store, key, { signal });
    const listed = listedBackup(header, { created, facts: { ...facts, ...locks } });
    backups.push(withPacks ? listed : { ...listed, packs: [] });
  }
  return backups;
}

/** Of the manifest, which stands for the backup. */
async function lockFacts(
  store: ObjectStore,
  key: string,
  { signal }: { signal: AbortSignal },
): Promise<Pick<BackupFacts, "hold" | "lockedUntil">> {
  if (store.locks === undefined) return {};
  const { retain, legalHold } = await store.locks.get(key, { signal });
  return {
    ...(retain === undefined ? {} : { lockedUntil: retain.until }),
    ...(legalHold ? { hold: "legal hold in the store" } : {}),
  };
}

/**
 * The backup behind a header. Its time is that at which the store took the manifest, by the store's
 * own clock: a host that lies about its time moves nothing. Without it the backup is never let go.
 */
export function listedBackup(
  header: BackupHeader,
  { created, facts }: { created: Date | undefined; facts: BackupFacts },
): ListedBackup {
  const { id, instance, kind, source, finished, sizes, packs } = header;
  const { corrupted = false, ...known } = facts;
  return {
    verified: false,
    proved: false,
    tags: [],
    ...known,
    id,
    instance,
    database: `${instance}/${source.database}`,
    name: `${source.host}/${source.database}`,
    kind,
    committed: created,
    state: corrupted ? "corrupted" : header.state,
    finished: new Date(finished),
    stored: sizes.stored,
    packs,
  };
}
