import { toJsonString } from "@bufbuild/protobuf";
import { BackupResultSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { BackupResult, VerifyResult } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Db } from "../database/database.ts";

export interface NewBackup {
  database: string;
  jobId: string;
  repositoryUrl: string;
  /** When its job was dispatched. */
  startedAt: Date;
  result: BackupResult;
}

/** Takes a committed backup into the catalog; false when it has it already. */
export async function recordBackup(db: Db, backup: NewBackup, now: Date): Promise<boolean> {
  const { result, database, jobId, repositoryUrl, startedAt } = backup;
  const inserted = await db.run(
    `insert into backups (id, database, job_id, repository_url, state, started_at, committed_at, result)
     values (:id, :database, :jobId, :repositoryUrl, :state, :startedAt, :now, :result)
     on conflict (id) do nothing`,
    {
      id: result.backupId,
      database,
      jobId,
      repositoryUrl,
      state: result.state,
      startedAt: startedAt.toISOString(),
      now: now.toISOString(),
      result: toJsonString(BackupResultSchema, result),
    },
  );
  return inserted === 1;
}

/** Keeps what a complete look at a backup found, unless a later look is known. */
export async function recordVerification(db: Db, result: VerifyResult, at: Date): Promise<void> {
  const damaged = result.damages.length > 0;
  await db.run(
    damaged
      ? "update backups set damaged_at = :at, verified_at = null where id = :id and coalesce(damaged_at, verified_at, '') <= :at"
      : "update backups set damaged_at = null, verified_at = :at where id = :id and coalesce(damaged_at, verified_at, '') <= :at",
    { id: result.backupId, at: at.toISOString() },
  );
}
