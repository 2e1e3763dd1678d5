import type { Db } from "../database/database.ts";
import { chooseTargets } from "./choose-targets.ts";
import type { ManagedDatabase, Selection } from "./choose-targets.ts";
import { insertJob } from "./insert-job.ts";
import type { JobRecord } from "./job-record.ts";

export interface BackupRequest {
  selection: Selection;
  allowMissing: boolean;
  freshEpoch: boolean;
  requestedBy: string;
}

/**
 * One job for each database that the selection means, and each repository of its policy: all of
 * them, or an error and none.
 */
export function enqueueBackups(db: Db, request: BackupRequest, now: Date): Promise<JobRecord[]> {
  return db.transaction(async (inner) => {
    const jobs: JobRecord[] = [];
    for (const database of await chooseTargets(inner, request.selection))
      for (const repositoryUrl of database.policy.repositoryUrls)
        jobs.push(await enqueueBackup(inner, { ...request, database, repositoryUrl }, now));
    return jobs;
  });
}

interface OneBackup extends Omit<BackupRequest, "selection"> {
  database: ManagedDatabase;
  /** One of its policy's. */
  repositoryUrl: string;
}

/** A backup of one database in one repository, as its policy wants it. */
export function enqueueBackup(db: Db, request: OneBackup, now: Date): Promise<JobRecord> {
  const { database, repositoryUrl, allowMissing, freshEpoch, requestedBy } = request;
  const { policy, host, name, instance } = database;
  const value = {
    database: database.database,
    instance,
    repositoryUrl,
    jobs: policy.jobs,
    allowMissing: allowMissing || policy.allowMissing,
    freshEpoch,
  };
  const { retries, retryDelaySeconds } = policy;
  const common = { host, requestedBy, policy: policy.name, retries, retryDelaySeconds };
  return insertJob(db, { spec: { case: "backup", value }, database: name, ...common }, now);
}
