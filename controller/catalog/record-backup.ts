import { toJsonString } from "@bufbuild/protobuf";
import { BackupResultSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { BackupResult } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
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
