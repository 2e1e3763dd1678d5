import { parseBackupBody } from "../backup/backup-body.ts";
import type { CheckDepth } from "../repository/check-depth.ts";
import { checkEpoch, type EpochCheckEvent, type EpochDamage } from "../repository/check-epoch.ts";
import { checkThere } from "../repository/check-there.ts";
import { damageOf, isDamage } from "../repository/damage.ts";
import type { EpochKeys } from "../repository/epoch.ts";
import { epochKeysOf } from "../repository/epoch-file.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { epochKey, manifestKey } from "../repository/object-key.ts";
import {
  openBackup,
  type OpenBackup,
  type OpenBackupOptions,
  readEpoch,
} from "../repository/open-backup.ts";
import type { RepositoryInfo } from "../repository/open-repository.ts";
import type { ObjectStore } from "../store/object-store.ts";

export interface VerifyRequest {
  store: ObjectStore;
  repository: Pick<RepositoryInfo, "id">;
  headers: readonly BackupHeader[];
  /** Only `quick` goes without. */
  keys: OpenBackupOptions["keys"] | undefined;
  depth: CheckDepth;
  signal: AbortSignal;
}

/** A damage, and the rows that it costs. */
export interface NamedDamage extends Omit<EpochDamage, "backups" | "how"> {
  how: EpochDamage["how"] | "foreign";
  backups: DamagedBackup[];
}

export interface DamagedBackup {
  id: string;
  /** `host/database`. */
  database: string;
  /** Tables that cannot be restored whole; when rows are lost and none is named, any may be. */
  tables: string[];
  /** Numbers of the backup's streams that cannot be read whole. */
  streams: number[];
}

export type VerifyEvent =
  /** An object was looked at; bytes and chunks that were decoded from it. */
  | { kind: "progress"; object: string; bytes: number; chunks: number }
  | { kind: "damage"; damage: NamedDamage };

/**
 * Proves from the repository alone that backups can be restored, as far as the depth goes; a pack
 * that several need is read once. Goes on after a damage. `identity-wrong` when the key is none of
 * theirs.
 */
export async function* verifyBackups(request: VerifyRequest): AsyncGenerator<VerifyEvent, void> {
  const epochs = Map.groupBy(request.headers, ({ instance, epoch }) => `${instance}/${epoch}`);
  for (const headers of epochs.values()) {
    const byId = new Map(headers.map((header) => [header.id, header]));
    for await (const event of checkGroup(request, headers)) {
      if (event.kind === "progress") yield event;
      else yield { kind: "damage", damage: await nameTables(request, event.damage, byId) };
    }
  }
}

type Found = Exclude<EpochCheckEvent, { kind: "damage" }> | FoundDamage;
type FoundDamage = { kind: "damage"; damage: Unnamed };
type Unnamed = Omit<EpochDamage, "how"> & { how: NamedDamage["how"] };

/** Backups of one epoch. */
async function* checkGroup(
  request: VerifyRequest,
  headers: BackupHeader[],
): AsyncGenerator<Found, void> {
  const { store, depth, signal } = request;
  if (depth.kind === "quick") return yield* checkThere(store, headers, { signal });
  const opened = await openGroup(request, headers);
  if ("kind" in opened) {
    yield opened;
    // What else is wrong is named as far as it can be seen without the key.
    for await (const event of checkThere(store, headers, { signal }))
      if (event.kind === "progress" || event.damage.object !== opened.damage.object) yield event;
    return;
  }
  const { epoch, forged } = opened;
  for (const { id, instance } of forged) yield forgedManifest({ id, instance });
  const rest = headers.filter((header) => !forged.includes(header));
  const open = (header: BackupHeader) => openWhole(request, header, epoch);
  yield* checkEpoch({ store, epoch, headers: rest, open, depth, groupsOf: streamsByTable, signal });
}

/** The epoch's key, and the manifests that its host did not sign; or why there is no key. */
async function openGroup(
  { store, keys, signal }: VerifyRequest,
  headers: BackupHeader[],
): Promise<{ epoch: EpochKeys; forged: BackupHeader[] } | FoundDamage> {
  const [first] = headers;
  if (first === undefined || keys === undefined) throw new TypeError("no key to verify with");
  // A grant was made for this very epoch by whoever opened its file.
  if ("epoch" in keys) return { epoch: keys.epoch, forged: [] };
  try {
    const file = await readEpoch(store, first, { identity: keys.identity, signal });
    const forged = headers.filter(({ signer }) => signer !== file.signer);
    return { epoch: epochKeysOf(file), forged };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const object = epochKey(first);
    const how = error.code === "object-missing" ? "missing" : "flipped";
    const backups = headers.map(({ id }) => ({ id, streams: [] }));
    const what = damageOf(object, error);
    return { kind: "damage", damage: { object, how, what, losesRows: true, backups } };
  }
}

function forgedManifest(backup: { id: string; instance: string }): Found {
  const what = "it was signed by another host than the epoch's";
  const hit = { losesRows: true, backups: [{ id: backup.id, streams: [] }] };
  return { kind: "damage", damage: { object: manifestKey(backup), how: "foreign", what, ...hit } };
}

/** A backup whose content is known as well. */
async function openWhole(
  { store, repository, signal }: VerifyRequest,
  header: BackupHeader,
  epoch: EpochKeys,
): Promise<OpenBackup> {
  const backup = await openBackup({ store, repository, header, keys: { epoch }, signal });
  parseBackupBody(backup);
  return backup;
}

function streamsByTable(backup: OpenBackup): number[][] {
  return parseBackupBody(backup).tables.map(({ streams }) => streams);
}

/** Streams are numbers; people know tables. */
async function nameTables(
  request: VerifyRequest,
  { backups, ...damage }: Unnamed,
  headers: ReadonlyMap<string, BackupHeader>,
): Promise<NamedDamage> {
  const named = backups.map(async ({ id, streams }): Promise<DamagedBackup> => {
    const header = headers.get(id);
    const { host = "", database = "" } = header?.source ?? {};
    const tables = streams.length === 0 ? [] : await tablesOf(request, header, new Set(streams));
    return { id, database: `${host}/${database}`, tables, streams };
  });
  return { ...damage, backups: await Promise.all(named) };
}

async function tablesOf(
  { store, repository, keys, signal }: VerifyRequest,
  header: BackupHeader | undefined,
  streams: ReadonlySet<number>,
): Promise<string[]> {
  if (header === undefined || keys === undefined) return [];
  const backup = await openBackup({ store, repository, header, keys, signal });
  return parseBackupBody(backup)
    .tables.filter((table) => table.streams.some((stream) => streams.has(stream)))
    .map(({ data }) => `${data.schema}.${data.name}`);
}
