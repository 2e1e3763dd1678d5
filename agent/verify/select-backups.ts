import { DbctlError } from "../../core/errors.ts";
import { findBackup, listBackups } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** Which backups: one by name, those of a database, a host or a server, or all. */
export interface Selection {
  /** What `findBackup` takes; or `host/database`, or `host/` for all databases of a host. */
  name?: string | undefined;
  instance?: string | undefined;
  all: boolean;
}

/** At least one; `usage` when nothing or too much was said, `backup-unknown` when there is none. */
export async function selectBackups(
  store: ObjectStore,
  selection: Selection,
  { signal }: { signal: AbortSignal },
): Promise<BackupHeader[]> {
  const { name, instance, all } = selection;
  if ([name !== undefined, instance !== undefined, all].filter(Boolean).length !== 1)
    throw new DbctlError("usage", "Cannot choose backups: name one, or --instance, or --all", {
      remedy: "For example latest, db7/shop:latest, db7/shop, db7/, or an id",
    });
  if (name !== undefined && !isGroup(name)) {
    // To look at one that was deleted does no harm; but it is not the latest.
    const deleted = !name.endsWith("latest");
    return [await findBackup(store, name, { deleted, signal })];
  }
  const chosen: BackupHeader[] = [];
  for await (const header of listBackups(store, { signal }))
    if (belongsTo(selection, header)) chosen.push(header);
  if (chosen.length > 0) return chosen;
  const what = name ?? instance ?? "the repository";
  throw new DbctlError("backup-unknown", `Cannot find a backup of ${what}: there is none`, {
    remedy: "Look at the list of backups in this repository: dbctl backups ls",
  });
}

function isGroup(name: string): boolean {
  return name.includes("/") && !name.endsWith(":latest") && !/\/\d{8}T\d{6}Z-/.test(name);
}

function belongsTo({ name, instance, all }: Selection, header: BackupHeader): boolean {
  if (all) return true;
  if (instance !== undefined) return header.instance === instance;
  const { host, database } = header.source;
  return name === `${host}/${database}` || name === `${host}/`;
}
