import type { CatalogBackup } from "../../agent/check/compare-catalog.ts";
import { createClient } from "../../core/grpc/client.ts";
import { BackupsService } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { openController } from "../controller-client.ts";

/** What the controller gives at once. */
const limit = 1000;

/** The backups that the fleet's catalog has of the repository with one of these URLs. */
export async function readCatalog(
  urls: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<{ known: CatalogBackup[]; isWhole: boolean }> {
  using channel = await openController();
  const client = createClient(BackupsService, channel);
  const known: CatalogBackup[] = [];
  let isWhole = true;
  for (const deleted of [false, true]) {
    const { backups } = await client.listBackups({ limit, deleted }, { signal });
    if (backups.length === limit) isWhole = false;
    for (const { id, instanceId: instance, repositoryUrl, removedAt } of backups)
      if (urls.includes(repositoryUrl))
        known.push({ instance, id, isRemoved: removedAt !== undefined });
  }
  return { known, isWhole };
}
