import { DbctlError } from "../../core/errors.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import { type BackupId, type InstanceId, instancePattern } from "./identifier.ts";
import type { BackupHeader } from "./manifest.ts";
import { isDeleted, type MarkState, unmarked } from "./mark-state.ts";
import { parseManifestKey } from "./object-key.ts";
import { readHeader } from "./read-header.ts";
import { readMarkState } from "./read-marks.ts";

/**
 * Every backup of the repository, those of one server by time. What has no manifest is no backup.
 * A manifest that cannot be read does not hide the others: after the last one, it is thrown.
 */
export async function* listBackups(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<BackupHeader, void> {
  const failures: DbctlError[] = [];
  for await (const { key } of listManifests(store, { signal })) {
    try {
      yield (await readHeader(store, key, { signal })).header;
    } catch (error) {
      if (!(error instanceof DbctlError) || !aboutOneManifest.has(error.code)) throw error;
      failures.push(error);
    }
  }
  const [first, ...others] = failures;
  if (first === undefined) return;
  if (others.length === 0) throw first;
  throw new DbctlError(first.code, failures.map(({ message }) => message).join("; "), first);
}

/** The manifest objects, without reading any: those of one server after the other, by id. */
export async function* listManifests(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<ObjectInfo & { instance: InstanceId; id: BackupId }, void> {
  for await (const instance of store.listFolders("", { signal })) {
    if (!instancePattern.test(instance)) continue;
    for await (const info of store.list(`${instance}/backups/`, { signal })) {
      const parsed = parseManifestKey(info.key);
      if (parsed !== undefined) yield { ...info, ...parsed };
    }
  }
}

const aboutOneManifest = new Set(["repository-damaged", "repository-newer"]);

interface FindOptions {
  /** Also one that was deleted and is still there; nobody's marks are looked at. */
  deleted?: boolean;
  signal: AbortSignal;
}

/**
 * The backup of that name: an id or the unique beginning of one; either after its server's own id
 * and a slash; `latest`; or `host/database:latest`. The latest may be a partial one; its header says so. One that was deleted
 * is never the latest, and `backup-unknown` by its id.
 */
export async function findBackup(
  store: ObjectStore,
  name: string,
  { deleted = false, signal }: FindOptions,
): Promise<BackupHeader> {
  const manifests = await Array.fromAsync(listManifests(store, { signal }));
  const latest = /^(?:(.+):)?latest$/.exec(name);
  if (latest !== null)
    return await findLatest(store, { manifests, of: latest[1], deleted, signal });
  const [, instance, beginning = ""] = /^(?:([^/]*)\/)?([^/]+)$/.exec(name) ?? [];
  const found = manifests.filter(
    (one) =>
      beginning !== "" &&
      one.id.startsWith(beginning) &&
      (instance === undefined || one.instance === instance),
  );
  const [only, ...others] = found;
  if (only === undefined) throw unknown(name, "there is none of that name");
  if (others.length > 0)
    throw new DbctlError("usage", `Cannot choose a backup: "${name}" begins ${found.length} ids`, {
      remedy: `Write more of the id: ${namesOf(found).join(", ")}`,
    });
  const { header } = await readHeader(store, only.key, { signal });
  const marks = deleted ? unmarked : await readMarkState(store, header, { signal });
  if (isDeleted(marks)) throw deletedBackup(header.id, marks);
  return header;
}

/** So many are named. */
const mostNames = 20;

/** Two servers may have backups of one id: whoever can write there can choose it. */
function namesOf(found: readonly { instance: string; id: string }[]): string[] {
  const isUnique = new Set(found.map(({ id }) => id)).size === found.length;
  return found.slice(0, mostNames).map(({ instance, id }) => (isUnique ? id : `${instance}/${id}`));
}

interface Search {
  manifests: { key: string; id: string }[];
  /** `host/database`, or any. */
  of: string | undefined;
  /** Whether it may be one that was deleted. */
  deleted: boolean;
  signal: AbortSignal;
}

/** A manifest that cannot be read might be the latest one: it is an error, not skipped. */
async function findLatest(
  store: ObjectStore,
  { manifests, of, deleted, signal }: Search,
): Promise<BackupHeader> {
  let latest: BackupHeader | undefined;
  for (const { key, id } of manifests.toSorted((a, b) => (a.id < b.id ? 1 : -1))) {
    // Ids tell seconds; within one second, headers are compared.
    if (latest !== undefined && secondOf(id) < secondOf(latest.id)) break;
    const { header } = await readHeader(store, key, { signal });
    if (of !== undefined && `${header.source.host}/${header.source.database}` !== of) continue;
    if (latest !== undefined && !isLater(header, latest)) continue;
    if (!deleted && isDeleted(await readMarkState(store, header, { signal }))) continue;
    latest = header;
  }
  if (latest !== undefined) return latest;
  if (of === undefined) throw unknown("latest", "there is no backup at all");
  throw unknown(`${of}:latest`, "there is none of that database");
}

function secondOf(id: string): string {
  return id.slice(0, id.indexOf("-"));
}

/** One host counts its backups of a server; its clock may have been set back between them. */
function isLater(a: BackupHeader, b: BackupHeader): boolean {
  if (a.signer === b.signer) return a.sequence > b.sequence;
  return a.started === b.started ? a.sequence > b.sequence : a.started > b.started;
}

function deletedBackup(id: string, { deleted, removing }: MarkState): DbctlError {
  const what =
    removing === undefined
      ? `it was deleted, and can be undeleted until ${deleted?.until.toISOString()}`
      : "a prune is removing it";
  return new DbctlError("backup-unknown", `Cannot use backup "${id}": ${what}`, {
    remedy: `Have it back with dbctl backups undelete ${id}, or add --deleted`,
  });
}

function unknown(name: string, what: string): DbctlError {
  return new DbctlError("backup-unknown", `Cannot find backup "${name}": ${what}`, {
    remedy: "Look at the list of backups in this repository: dbctl backups ls",
  });
}
