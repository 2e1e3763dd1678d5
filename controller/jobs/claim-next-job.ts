import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { readDatabases } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import { predict } from "../recoverability/recoverability.ts";
import { requireJob } from "./insert-job.ts";
import { recordOf } from "./job-record.ts";
import type { JobRecord } from "./job-record.ts";
import { moveJob } from "./move-job.ts";
import { orderQueue } from "./order-queue.ts";

/** How long an agent may be silent before its jobs are lost, if the operator does not say. */
export const defaultLeaseMs = 60_000;

/** Jobs at work at once (FLEET-10); a restore waits for no job but another restore on its host. */
const budgets = { host: 1, repository: 16, fleet: 64 };

/**
 * Hands the most urgent queued job to the host's agent, or undefined when none may run now. Two
 * controllers may call this at once: the transaction gives each its own job.
 */
export async function claimNextJob(
  db: Db,
  { host, leaseMs = defaultLeaseMs }: { host: string; leaseMs?: number | undefined },
  now: Date,
): Promise<JobRecord | undefined> {
  // While a budget is used up most looks find nothing: they need not wait for the writers' lock.
  if ((await readQueue(db, host, now)).length === 0) return undefined;
  return await db.transaction(async (inner) => {
    const queue = await readQueue(inner, host, now);
    const [first] = queue;
    if (first === undefined) return undefined;
    const { job } = queue.length === 1 ? first : await mostUrgent(inner, queue, host);
    const leaseUntil = new Date(now.getTime() + leaseMs);
    const to = {
      case: "dispatched",
      value: { leaseUntil: timestampFromDate(leaseUntil) },
    } as const;
    const move = { id: job.id, from: ["queued"], to, leaseUntil, nextToken: true } as const;
    if (!(await moveJob(inner, move, now))) return undefined;
    await recordAttempt(inner, job.id, now);
    return await requireJob(inner, job.id);
  });
}

/** Queued jobs of the host that its, their repository's and the fleet's budgets let run. */
async function readQueue(db: Db, host: string, now: Date): Promise<JobRecord[]> {
  const rows = await db.all(
    `with active as (
       select kind, host, repository_url from jobs
       where state in ('dispatched', 'running')
     )
     select * from jobs where state = 'queued' and host = :host and not_before <= :now
       and case when kind = 'restore'
         then (select count(*) from active where host = :host and kind = 'restore') < ${budgets.host}
         else (select count(*) from active) < ${budgets.fleet}
           and (select count(*) from active where host = :host) < ${budgets.host}
           and (select count(*) from active where repository_url = jobs.repository_url) < ${budgets.repository}
         end
     order by created_at, id`,
    { host, now: now.toISOString() },
  );
  return rows.map(recordOf);
}

async function mostUrgent(db: Db, queue: JobRecord[], host: string): Promise<JobRecord> {
  const databases = (await readDatabases(db)).filter((database) => database.host === host);
  const moments = new Map(databases.map(({ name, coverage }) => [name, predict(coverage)]));
  const ordered = orderQueue(queue, (name) => moments.get(name)?.violatedAt);
  const [first] = ordered;
  if (first === undefined) throw new RangeError("a queue has as many jobs after it was ordered");
  return first;
}

async function recordAttempt(db: Db, id: string, now: Date): Promise<void> {
  await db.run(
    `insert into job_attempts (job_id, fencing_token, attempt, dispatched_at)
     select id, fencing_token, attempt, :now from jobs where id = :id`,
    { id, now: now.toISOString() },
  );
}
