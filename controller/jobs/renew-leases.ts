import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Db } from "../database/database.ts";
import { defaultLeaseMs } from "./claim-next-job.ts";
import { activeStates } from "./job-record.ts";
import { moveJob } from "./move-job.ts";

/** A job and the token of the dispatch that an agent works on. */
export interface JobClaim {
  id: string;
  token: number;
}

interface Renewal {
  host: string;
  claims: readonly JobClaim[];
  leaseMs?: number | undefined;
}

/**
 * An agent says which jobs it works on: their leases are renewed. One that was given up but not yet
 * sent out again runs after all. Claims with an old token change nothing.
 */
export async function renewLeases(
  db: Db,
  { host, claims, leaseMs = defaultLeaseMs }: Renewal,
  now: Date,
): Promise<void> {
  const leaseUntil = new Date(now.getTime() + leaseMs);
  for (const { id, token } of claims) {
    const renewed = await db.run(
      `update jobs set lease_until = :lease where id = :id and host = :host
         and fencing_token = :token and state in ('${activeStates.join("', '")}')`,
      { id, token, host, lease: leaseUntil.toISOString() },
    );
    if (renewed === 1) continue;
    await resume(db, { id, fence: { host, token }, leaseUntil }, now);
  }
}

async function resume(
  db: Db,
  work: { id: string; fence: { host: string; token: number }; leaseUntil: Date },
  now: Date,
): Promise<void> {
  // Before its first dispatch a job has the token 0, which nobody was given.
  if (work.fence.token < 1) return;
  const to = { case: "running", value: { startedAt: timestampFromDate(now) } } as const;
  if (await moveJob(db, { ...work, from: ["lost"], to }, now)) return;
  // The next attempt was counted when the job was queued again.
  await moveJob(db, { ...work, from: ["queued"], to, attempts: -1 }, now);
}
