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

/** One job for each database that the selection means: all of them, or an error and none. */
export function enqueueBackups(db: Db, request: BackupRequest, now: Date): Promise<JobRecord[]> {
  return db.transaction(async (inner) => {
    const jobs: JobRecord[] = [];
    for (const database of await chooseTargets(inner, request.selection))
      jobs.push(await enqueueBackup(inner, { ...request, database }, now));
    return jobs;
  });
}

/** A backup of one database, as its policy wants it. */
export function enqueueBackup(
  db: Db,
  request: Omit<BackupRequest, "selection"> & { database: ManagedDatabase },
  now: Date,
): Promise<JobRecord> {
  const { database, allowMissing, freshEpoch, requestedBy } = request;
  const { policy, host, name, instance } = database;
  const value = {
    database: database.database,
    instance,
    repositoryUrl: policy.repositoryUrl,
    jobs: policy.jobs,
    allowMissing: allowMissing || policy.allowMissing,
    freshEpoch,
  };
  const { retries, retryDelaySeconds } = policy;
  const common = { host, requestedBy, policy: policy.name, retries, retryDelaySeconds };
  return insertJob(db, { spec: { case: "backup", value }, database: name, ...common }, now);
}
