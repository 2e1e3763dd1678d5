import { DbctlError } from "../../core/errors.ts";
import { inParallel } from "../repository/in-parallel.ts";
import { listManifests } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { readHeader } from "../repository/read-header.ts";
import { readMarkState } from "../repository/read-marks.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { assertThere, mark, type MarkOptions, undeleteBackup } from "./mark-backup.ts";

export interface DeleteOptions extends MarkOptions {
  /** Seconds for which it can be had back. */
  window: number;
  /** Delete even the last good backup of its database. */
  lastOne: boolean;
  /** Without it, nothing is written. */
  confirm: boolean;
}

interface Deleted {
  until: Date;
  /** False when it was deleted before. */
  changed: boolean;
}

/** Deletes all of them or, when one of them may not be deleted, none: that is looked at first. */
export async function deleteBackups(
  headers: readonly BackupHeader[],
  options: DeleteOptions,
): Promise<(Deleted & { header: BackupHeader })[]> {
  const together = new Set(headers.map(({ id }) => id));
  const done: (Deleted & { header: BackupHeader })[] = [];
  for (const confirm of options.confirm ? [false, true] : [false]) {
    done.length = 0;
    for (const header of headers)
      done.push({ header, ...(await deleteBackup(header, { ...options, confirm, together })) });
  }
  return done;
}

/** Unless said otherwise, a deleted backup can be had back for seven days. */
export const defaultWindowSeconds = 7 * 24 * 3600;

/**
 * Marks a backup as deleted; a prune removes it when nobody has undeleted it within the window.
 * Refuses one that is held, and the last good one of its database. `together`: ids of those that are
 * deleted with it.
 */
export async function deleteBackup(
  header: BackupHeader,
  options: DeleteOptions & { together?: ReadonlySet<string> },
): Promise<Deleted> {
  const { store, now, window, lastOne, confirm, reason, together = new Set(), signal } = options;
  const place = header;
  const before = await readMarkState(store, place, { signal });
  assertThere(place, before, "delete");
  if (before.deleted !== undefined) return { until: before.deleted.until, changed: false };
  assertNotHeld(header, before.held);
  if (!lastOne) await assertNotLast(header, { store, together, signal });
  if (!confirm) return { until: new Date(+now + window * 1000), changed: true };
  const { state, changed } = await mark(place, options, (marks) => {
    assertThere(place, marks, "delete");
    assertNotHeld(header, marks.held);
    return marks.deleted === undefined ? { mark: "delete", reason, window } : undefined;
  });
  // Somebody may have deleted the others at the same time.
  if (changed && !lastOne) await assertNotLast(header, { store, together, signal }).catch(takeBack);
  return { until: state.deleted?.until ?? now, changed };

  async function takeBack(error: unknown): Promise<never> {
    await undeleteBackup(place, { ...options, reason: "it has become the last good backup" });
    throw error;
  }
}

function assertNotHeld({ id }: BackupHeader, held: { by: string; reason: string } | undefined) {
  if (held === undefined) return;
  const why = held.reason === "" ? "" : ` (${held.reason})`;
  throw new DbctlError("access-denied", `Cannot delete backup ${id}: ${held.by} holds it${why}`, {
    remedy: `Release it first: dbctl backups release ${id}`,
  });
}

interface LastCheck {
  store: ObjectStore;
  /** Ids of backups that do not count, for they are deleted as well. */
  together: ReadonlySet<string>;
  signal: AbortSignal;
}

/** Headers that are read at once. */
const readers = 16;

/** A backup that cannot be read is not a good one. */
async function assertNotLast(
  header: BackupHeader,
  { store, together, signal }: LastCheck,
): Promise<void> {
  if (header.state !== "complete") return;
  const manifests = await Array.fromAsync(listManifests(store, { signal }));
  const others = manifests.filter(
    ({ id, instance }) => instance === header.instance && id !== header.id && !together.has(id),
  );
  const good = await inParallel(others, readers, async ({ key }) => {
    const other = await unlessDamaged(
      async () => (await readHeader(store, key, { signal })).header,
    );
    if (other === undefined || !isOfSame(header, other)) return false;
    const marks = await unlessDamaged(() => readMarkState(store, other, { signal }));
    return marks !== undefined && marks.deleted === undefined && marks.removing === undefined;
  });
  if (good.includes(true)) return;
  const { id, source } = header;
  const database = `${source.host}/${source.database}`;
  const what = `it is the last good one of ${database}`;
  throw new DbctlError("access-denied", `Cannot delete backup ${id}: ${what}`, {
    remedy: "Back the database up first, or add --last-one",
  });
}

function isOfSame(a: BackupHeader, b: BackupHeader): boolean {
  return b.source.database === a.source.database && b.kind === a.kind && b.state === "complete";
}

async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DbctlError && damages.has(error.code)) return undefined;
    throw error;
  }
}

const damages = new Set(["repository-damaged", "repository-newer", "object-missing"]);
