import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Db } from "../database/database.ts";
import { leaseMs } from "./claim-next-job.ts";
import { activeStates } from "./job-record.ts";
import { moveJob } from "./move-job.ts";

/** A job and the token of the dispatch that an agent works on. */
export interface JobClaim {
  id: string;
  token: number;
}

/**
 * An agent says which jobs it works on: their leases are renewed. One that was given up but not yet
 * sent out again runs after all. Claims with an old token change nothing.
 */
export async function renewLeases(
  db: Db,
  { host, claims }: { host: string; claims: readonly JobClaim[] },
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
    const value = { startedAt: timestampFromDate(now) };
    const to = { case: "running", value } as const;
    await moveJob(db, { id, from: ["lost"], to, fence: { host, token }, leaseUntil }, now);
  }
}
