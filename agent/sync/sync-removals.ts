import { DbctlError } from "../../core/errors.ts";
import { readHeaders } from "../check/read-headers.ts";
import { listInstances } from "../check/instance-objects.ts";
import { packsOf } from "../repository/check-there.ts";
import { controlFolder, manifestKey, packKey, removedKey } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import { readHeader } from "../repository/read-header.ts";
import type { MarkState } from "../repository/mark-state.ts";
import { type NewMark, putMark } from "../repository/put-mark.ts";
import { type BackupPlace, readMarks, readMarkState } from "../repository/read-marks.ts";
import { readRemoval, type Removal } from "../repository/removal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Copier } from "./copier.ts";
import { listSizes } from "./list-sizes.ts";
import type { SyncResult } from "./sync-result.ts";

export interface RemovalSync {
  from: ObjectStore;
  to: ObjectStore;
  repository: { id: string };
  copier: Copier;
  isDryRun: boolean;
  /** When, and who: of marks. */
  at: Date;
  by: string;
  signal: AbortSignal;
}

/** Says in the destination why backups that it does not have are missing in their chains. */
export async function syncRemovals(sync: RemovalSync): Promise<void> {
  const { from, to, copier, signal } = sync;
  const there = await listSizes(to, `${controlFolder}/removed/`, { signal });
  for (const [key, size] of await listSizes(from, `${controlFolder}/removed/`, { signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind !== "removal") continue;
    // A backup that the copy still has is its own to keep.
    if ((await to.head(manifestKey(parsed), { signal })) !== undefined) continue;
    await copier.copy({ key, size }, there.get(key));
  }
}

type Removed = Pick<SyncResult, "removed" | "kept" | "failures">;

/**
 * Removes from the destination what a prune has removed from the source, and nothing else: backups
 * in a prune's own order (mark, record, manifest, maps), then packs that neither has a use for.
 */
export async function removeExtraneous(sync: RemovalSync): Promise<Removed> {
  const { from, repository, signal } = sync;
  const done: Removed = { removed: [], kept: [], failures: [] };
  const removals: Removal[] = [];
  for await (const { key } of from.list(`${controlFolder}/removed/`, { signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind !== "removal") continue;
    const place = { repository: repository.id, ...parsed };
    removals.push(await readRemoval(from, place, { signal }));
  }
  for (const [instance, ofInstance] of Map.groupBy(removals, (removal) => removal.instance)) {
    const there = await listSizes(sync.to, `${instance}/backups/`, { signal });
    for (const removal of ofInstance) await removeBackup(sync, removal, { there, done });
    await removePacks(
      sync,
      { instance, epochs: new Set(ofInstance.map(({ epoch }) => epoch)) },
      done,
    );
  }
  return done;
}

async function removeBackup(
  sync: RemovalSync,
  removal: Removal,
  { there, done }: { there: ReadonlyMap<string, number>; done: Removed },
): Promise<void> {
  const { from, to, copier, signal } = sync;
  const place = { ...removal, id: removal.backup };
  const manifest = manifestKey(place);
  const prefix = manifest.slice(0, manifest.lastIndexOf("/") + 1);
  const keys = [...there.keys()].filter((key) => key.startsWith(prefix));
  if (keys.length === 0) return;
  if (there.has(manifest)) {
    const why = (await whyKept(sync, removal)) ?? (await markRemoved(sync, removal));
    if (why !== undefined) return void done.kept.push({ object: manifest, what: why });
  }
  const record = removedKey(place);
  const size = (await from.head(record, { signal }))?.size ?? 0;
  await copier.copy({ key: record, size }, (await to.head(record, { signal }))?.size);
  for (const key of [manifest, ...keys.filter((one) => one !== manifest)])
    if (there.has(key) && !(await remove(sync, key, done))) return;
}

/** Why the destination has to keep the backup, whatever anybody says. */
async function whyKept(
  { to, at, signal }: RemovalSync,
  { instance, backup: id, hash }: Removal,
): Promise<string | undefined> {
  const key = manifestKey({ instance, id });
  if ((await readHeader(to, key, { signal })).hash !== hash)
    return "it is another manifest than the one that was removed from the source";
  const lock = await to.locks?.get(key, { signal });
  if (lock?.legalHold === true) return "it is under legal hold";
  const until = lock?.retain?.until;
  return until !== undefined && until > at
    ? `it is retained until ${until.toISOString()}`
    : undefined;
}

/** Marks it as a prune does; or says who, in the destination, wants it to be kept. */
async function markRemoved(
  { from, to, at, by, isDryRun, signal }: RemovalSync,
  removal: Removal,
): Promise<string | undefined> {
  const place = { ...removal, id: removal.backup };
  const isUndeleted = await isUndeletedThere(place, { from, to, signal });
  const why = ({ held }: MarkState) => {
    if (held !== undefined) return `${held.by} holds it: ${held.reason}`;
    return isUndeleted ? "it was undeleted in the copy" : undefined;
  };
  if (isDryRun) return why(await readMarkState(to, place, { signal }));
  const decide = (marks: MarkState): NewMark | undefined =>
    why(marks) !== undefined || marks.removing !== undefined
      ? undefined
      : { mark: "remove", reason: "a prune has removed it from the source" };
  const { state } = await putMark(to, place, { decide, by, now: at, signal });
  return state.removing === undefined ? (why(state) ?? "it is wanted") : undefined;
}

/** Whether the last word on deleting it is an undelete that the source does not know. */
async function isUndeletedThere(
  place: BackupPlace,
  { from, to, signal }: Pick<RemovalSync, "from" | "to" | "signal">,
): Promise<boolean> {
  const [ours, there] = await Promise.all(
    [from, to].map((one) => readMarks(one, place, { signal })),
  );
  const last = there?.findLast(({ mark }) => mark.mark === "delete" || mark.mark === "undelete");
  if (last?.mark.mark !== "undelete") return false;
  return !ours?.some(({ mark }) => mark.id === last.mark.id);
}

/** False when the store keeps it. */
async function remove(
  sync: RemovalSync,
  key: string,
  { removed, kept }: Removed,
): Promise<boolean> {
  try {
    if (!sync.isDryRun) await sync.to.delete(key, sync);
    removed.push(key);
    return true;
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-locked") throw error;
    kept.push({ object: key, what: error.message });
    return false;
  }
}

/** Packs that the source has not any more and no manifest of the destination needs. */
async function removePacks(
  sync: RemovalSync,
  { instance, epochs }: { instance: string; epochs: ReadonlySet<string> },
  done: Removed,
): Promise<void> {
  const { from, to, repository, signal } = sync;
  for await (const objects of listInstances(to, { found: () => {}, only: instance, signal })) {
    const gone = new Set(done.removed);
    for (const [id, { key }] of objects.manifests) if (gone.has(key)) objects.manifests.delete(id);
    const read = await readHeaders(to, objects, { repository: repository.id, signal });
    // A manifest that cannot be read may need any pack.
    if (read.findings.length > 0)
      return void done.failures.push(
        ...read.findings.map(({ object, what }) => ({ object, what })),
      );
    for (const epoch of epochs) {
      const headers = read.headers.map(({ header }) => header).filter((one) => one.epoch === epoch);
      const needed = packsOf(headers);
      const source = await listSizes(from, packKey({ instance, epoch }, ""), { signal });
      for (const pack of objects.packs.get(epoch)?.keys() ?? []) {
        const key = packKey({ instance, epoch }, pack);
        if (!needed.has(pack) && !source.has(key)) await remove(sync, key, done);
      }
    }
  }
}
