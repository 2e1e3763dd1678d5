import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Db } from "../database/database.ts";
import { activeStates, recordOf, willBeRetried } from "./job-record.ts";
import type { JobRecord } from "./job-record.ts";
import { moveJob } from "./move-job.ts";
import { tellJob } from "./tell-job.ts";

/** Gives up jobs whose lease is over; their retry waits for its back-off. Gives their count. */
export async function failLostJobs(db: Db, now: Date): Promise<number> {
  const active = activeStates.join("', '");
  const sql = `select * from jobs where state in ('${active}') and lease_until < :now`;
  return await db.transaction(async (inner) => {
    const rows = await inner.all(sql, { now: now.toISOString() });
    for (const row of rows) await lose(inner, recordOf(row), now);
    return rows.length;
  });
}

/**
 * Queues lost jobs again that have attempts left, once their back-off is over. Gives their count. The
 * fencing token stays: until the next dispatch the agent may come back with the old attempt.
 */
export async function requeueLostJobs(db: Db, now: Date): Promise<number> {
  const at = timestampFromDate(now);
  return await db.transaction(async (inner) => {
    const rows = await inner.all(
      `select id from jobs where state = 'lost' and attempt < max_attempts
         and cancel_requested_by is null and not_before <= :now`,
      { now: now.toISOString() },
    );
    const to = { case: "queued", value: { at, notBefore: at } } as const;
    for (const row of rows)
      await moveJob(inner, { id: String(row["id"]), from: ["lost"], to, attempts: 1 }, now);
    return rows.length;
  });
}

async function lose(db: Db, record: JobRecord, now: Date): Promise<void> {
  const { job, fencingToken, retryDelaySeconds } = record;
  const reason = `the agent of ${job.host} was silent past its lease`;
  const to = { case: "lost", value: { at: timestampFromDate(now), reason } } as const;
  const fence = { host: job.host, token: fencingToken };
  const notBefore = new Date(now.getTime() + retryDelaySeconds * 1000);
  await moveJob(db, { id: job.id, from: activeStates, to, fence, notBefore }, now);
  const retried = willBeRetried(record);
  const again = retried ? "; it will be tried again" : "";
  const happening = { outcome: "failed", retried, error: `lost: ${reason}${again}` } as const;
  await tellJob(db, { record, happening }, now);
}
