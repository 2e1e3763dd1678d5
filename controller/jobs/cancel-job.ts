import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Db } from "../database/database.ts";
import { requireJob } from "./insert-job.ts";
import { activeStates } from "./job-record.ts";
import type { JobRecord } from "./job-record.ts";
import type { JobClaim } from "./renew-leases.ts";
import { moveJob } from "./move-job.ts";

/**
 * Ends a queued job at once; asks the agent to end one at work. A job that has ended stays as it is,
 * and a lost one is not tried again.
 */
export function cancelJob(
  db: Db,
  { id, by }: { id: string; by: string },
  now: Date,
): Promise<JobRecord> {
  return db.transaction(async (inner) => {
    await requireJob(inner, id);
    const to = { case: "cancelled", value: { at: timestampFromDate(now), by } } as const;
    if (!(await moveJob(inner, { id, from: ["queued"], to }, now)))
      await inner.run(
        `update jobs set cancel_requested_by = :by, updated_at = :now where id = :id
           and cancel_requested_by is null and state in ('${activeStates.join("', '")}', 'lost')`,
        { id, by, now: now.toISOString() },
      );
    return await requireJob(inner, id);
  });
}

/** Jobs at work on the host that somebody wants to end. */
export async function readStopRequests(db: Db, host: string): Promise<JobClaim[]> {
  const rows = await db.all(
    `select id, fencing_token from jobs where host = :host and cancel_requested_by is not null
       and state in ('${activeStates.join("', '")}')`,
    { host },
  );
  return rows.map((row) => ({ id: String(row["id"]), token: Number(row["fencing_token"]) }));
}

/** Those of an agent's claims that were cancelled while nobody could tell it. */
export async function selectCancelled(db: Db, claims: readonly JobClaim[]): Promise<JobClaim[]> {
  const found: JobClaim[] = [];
  for (const claim of claims) {
    const { id } = claim;
    const sql = "select 1 from jobs where id = :id and state = 'cancelled'";
    if ((await db.one(sql, { id })) !== undefined) found.push(claim);
  }
  return found;
}
