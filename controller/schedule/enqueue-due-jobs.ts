import { readDatabases } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import type { ManagedDatabase } from "../jobs/choose-targets.ts";
import { enqueueBackup } from "../jobs/enqueue-backups.ts";
import { lastDue } from "./due-runs.ts";

/**
 * Queues the backups of every database whose policy has a run due, one for each of its repositories;
 * gives the count of runs. However often it is called, by however many controllers, a run is made
 * once; of several missed ones the last is made. One that meets its predecessor still in the queue is
 * that one.
 */
export async function enqueueDueJobs(db: Db, now: Date): Promise<number> {
  const runs = await readLastRuns(db);
  let count = 0;
  for (const database of await readDatabases(db)) {
    const { policy, name, firstSeenAt } = database;
    if (policy === undefined) continue;
    const ran = runs.get(`${policy.name} ${name}`) ?? firstSeenAt;
    const since = new Date(
      Math.max(ran.getTime(), policy.appliedAt.getTime(), firstSeenAt.getTime()),
    );
    const dueAt = lastDue(policy, { target: name, since }, now);
    if (dueAt === undefined) continue;
    const due = { database: { ...database, policy }, dueAt };
    if (await db.transaction((inner) => enqueueRun(inner, due, now))) count += 1;
  }
  return count;
}

interface DueRun {
  database: ManagedDatabase;
  dueAt: Date;
}

async function enqueueRun(db: Db, { database, dueAt }: DueRun, now: Date): Promise<boolean> {
  const { policy, name } = database;
  const run = { policy: policy.name, database: name, dueAt: dueAt.toISOString() };
  const made = await db.one(
    `select 1 from schedule_runs
     where policy = :policy and database = :database and due_at >= :dueAt`,
    run,
  );
  if (made !== undefined) return false;
  const jobs = await enqueueMissing(db, { database, dueAt }, now);
  const [jobId] = jobs;
  if (jobId === undefined) throw new RangeError(`policy ${policy.name} names no repository`);
  await db.run("delete from schedule_runs where policy = :policy and database = :database", {
    policy: policy.name,
    database: name,
  });
  await db.run(
    "insert into schedule_runs (policy, database, due_at, job_id) values (:policy, :database, :dueAt, :jobId)",
    { ...run, jobId: jobId.id },
  );
  return jobs.some(({ isNew }) => isNew);
}

/** A job for each repository of the policy: the one that waits still, or a new one. */
async function enqueueMissing(
  db: Db,
  { database }: DueRun,
  now: Date,
): Promise<{ id: string; isNew: boolean }[]> {
  const { policy, name } = database;
  const requestedBy = `policy ${policy.name}`;
  const jobs: { id: string; isNew: boolean }[] = [];
  for (const repositoryUrl of policy.repositoryUrls) {
    const queued = await db.one(
      `select id from jobs where database = :name and kind = 'backup' and state = 'queued'
         and repository_url = :repositoryUrl limit 1`,
      { name, repositoryUrl },
    );
    const common = { database, repositoryUrl, requestedBy };
    const request = { ...common, allowMissing: false, freshEpoch: false };
    jobs.push(
      queued === undefined
        ? { id: (await enqueueBackup(db, request, now)).job.id, isNew: true }
        : { id: String(queued["id"]), isNew: false },
    );
  }
  return jobs;
}

async function readLastRuns(db: Db): Promise<Map<string, Date>> {
  const rows = await db.all("select policy, database, due_at from schedule_runs");
  return new Map(
    rows.map((row) => [
      `${String(row["policy"])} ${String(row["database"])}`,
      new Date(String(row["due_at"])),
    ]),
  );
}
