import { DbctlError } from "../../core/errors.ts";
import { listInstances } from "../check/instance-objects.ts";
import { controlFolder, recipientsPrefix, repositoryKey } from "../repository/object-key.ts";
import type { RepositoryInfo } from "../repository/open-repository.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isEverything, MetNames, type SyncFilter } from "./choose-backups.ts";
import { Copier } from "./copier.ts";
import { listSizes } from "./list-sizes.ts";
import { openCopy } from "./open-copy.ts";
import { refuseOther } from "./same-object.ts";
import { syncInstance } from "./sync-instance.ts";
import { removeExtraneous, syncRemovals } from "./sync-removals.ts";
import type { SyncResult } from "./sync-result.ts";

export interface SyncRequest {
  from: ObjectStore;
  to: ObjectStore;
  /** The source's. */
  repository: RepositoryInfo;
  filter: SyncFilter;
  /** Objects on their way at once. */
  parallel: number;
  isDryRun: boolean;
  /** Also remove what a prune has removed from the source. */
  deletesExtraneous: boolean;
  at: Date;
  /** Who runs it: of marks. */
  by: string;
  onBytes: (bytes: number) => void;
  signal: AbortSignal;
}

/**
 * Makes `to` a copy of the repository `from`, object by object, sealed as they are; needs no key.
 * What is there is not copied again, so a run that was cut short is gone on with. A backup stands in
 * the copy when all that it needs was confirmed there, and the copy is a repository when all is done.
 * A name in the filter that nothing has is refused, after the others were copied.
 */
export async function syncRepository(request: SyncRequest): Promise<SyncResult> {
  const { from, filter, isDryRun, deletesExtraneous, signal } = request;
  const state = await openCopy(request);
  const copier = new Copier(request);
  const met = new MetNames(filter);
  const sync = { ...request, copier, met };
  await syncRecipients(sync);
  await syncRemovals(sync);
  const result: SyncResult = {
    at: request.at.toISOString(),
    isDryRun,
    isPartial: !isEverything(filter),
    copied: copier.copied,
    present: copier.present,
    backups: [],
    removed: [],
    kept: [],
    failures: [],
    ownMarks: [],
  };
  for await (const objects of listInstances(from, { found: () => {}, signal })) {
    met.meetInstance(objects.instance);
    if (filter.instances !== undefined && !filter.instances.includes(objects.instance)) continue;
    const outcome = await syncInstance(sync, objects);
    result.backups.push(...outcome.backups);
    result.failures.push(...outcome.failures);
    result.ownMarks.push(...outcome.ownMarks);
  }
  // What cannot be read may be what was named.
  if (result.failures.length === 0) met.assertAll(from.url);
  await copyAll(sync, `${controlFolder}/ended/`);
  if (deletesExtraneous) {
    const done = await removeExtraneous(sync);
    result.removed.push(...done.removed);
    result.kept.push(...done.kept);
    result.failures.push(...done.failures);
  }
  if (state === "begun") await copyRepositoryFile(sync);
  return result;
}

type Syncing = SyncRequest & { copier: Copier };

/** Lists of recipients are one history: the copy must not have one of its own. */
async function syncRecipients({ from, to, copier, signal }: Syncing): Promise<void> {
  const ours = await listSizes(from, recipientsPrefix, { signal });
  const there = await listSizes(to, recipientsPrefix, { signal });
  for (const key of there.keys())
    if (!ours.has(key))
      throw new DbctlError("target-exists", `Cannot copy to ${to.url}: it has ${key} of its own`, {
        remedy: "Change recipients in the source only, and copy from there",
      });
  for (const [key, size] of ours) {
    await copier.copy({ key, size }, there.get(key));
    if (there.has(key)) await refuseOther(key, { from, to, signal });
  }
}

async function copyAll({ from, to, copier, signal }: Syncing, prefix: string): Promise<void> {
  const there = await listSizes(to, prefix, { signal });
  for (const [key, size] of await listSizes(from, prefix, { signal }))
    await copier.copy({ key, size }, there.get(key));
}

async function copyRepositoryFile({ from, copier, signal }: Syncing): Promise<void> {
  const { size = 0 } = (await from.head(repositoryKey, { signal })) ?? {};
  await copier.copy({ key: repositoryKey, size }, undefined);
}
