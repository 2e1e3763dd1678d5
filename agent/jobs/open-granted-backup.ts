import { DbctlError } from "../../core/errors.ts";
import type { RestoreSpec, VerifySpec } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openGrant } from "../grants/epoch-grant.ts";
import { findBackup } from "../repository/list-backups.ts";
import { openBackup, type OpenBackup } from "../repository/open-backup.ts";
import { openRepository } from "../repository/open-repository.ts";
import type { JobParts } from "./run-job.ts";

/** Opens the backup of a job with the key that was granted for it. The key is kept nowhere. */
export async function openGrantedBackup(
  { backupId, repositoryUrl, epochKey }: RestoreSpec | VerifySpec,
  { openStore, identity, now }: JobParts,
  { signal }: { signal: AbortSignal },
): Promise<OpenBackup> {
  const store = await openStore(repositoryUrl);
  const repository = await openRepository(store, { signal });
  // Whether a deleted one may be opened was decided by who granted its key.
  const header = await findBackup(store, backupId, { deleted: true, signal });
  if (header.id !== backupId) throw refused(backupId, "the command does not name it in full");
  if (epochKey === undefined) throw refused(backupId, "the command brings no key");
  const epoch = await openGrant(epochKey, { identity, header, now: now() });
  return await openBackup({ store, repository, header, keys: { epoch }, signal });
}

function refused(backup: string, what: string): DbctlError {
  return new DbctlError("protocol-violated", `Cannot open backup ${backup}: ${what}`, {
    remedy: "Start the job with dbctl restore or dbctl verify of this version",
  });
}
