import { DbctlError } from "../../core/errors.ts";
import type { RestoreSpec, VerifySpec } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openGrant } from "../grants/epoch-grant.ts";
import type { EpochKeys } from "../repository/epoch.ts";
import { findBackup } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { openBackup, type OpenBackup } from "../repository/open-backup.ts";
import { openRepository } from "../repository/open-repository.ts";
import type { JobParts } from "./run-job.ts";

/** Opens the backup of a job with the key that was granted for it. The key is kept nowhere. */
export async function openGrantedBackup(
  spec: RestoreSpec,
  parts: JobParts,
  { signal }: { signal: AbortSignal },
): Promise<OpenBackup> {
  const store = await parts.openStore(spec.repositoryUrl);
  const repository = await openRepository(store, { signal });
  // Whether a deleted one may be opened was decided by who granted its key.
  const header = await findBackup(store, spec.backupId, { deleted: true, signal });
  const epoch = await openBackupGrant(spec, header, parts);
  return await openBackup({ store, repository, header, keys: { epoch }, signal });
}

/** The key of the backup's epoch, as the command brings it for this agent. */
export async function openBackupGrant(
  { backupId, epochKey }: RestoreSpec | VerifySpec,
  header: BackupHeader,
  { identity, now }: JobParts,
): Promise<EpochKeys> {
  if (header.id !== backupId) throw refused(backupId, "the command does not name it in full");
  if (epochKey === undefined) throw refused(backupId, "the command brings no key");
  return await openGrant(epochKey, { identity, header, now: now() });
}

function refused(backup: string, what: string): DbctlError {
  return new DbctlError("protocol-violated", `Cannot open backup ${backup}: ${what}`, {
    remedy: "Start the job with dbctl restore or dbctl verify of this version",
  });
}
