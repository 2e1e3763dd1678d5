import type { Db } from "../database/database.ts";
import { stateToJson } from "./job-record.ts";
import type { StateInit, StateName } from "./job-record.ts";

export interface Move {
  id: string;
  from: readonly StateName[];
  to: StateInit;
  /** The fencing token the job must have, and the host whose agent says so. */
  fence?: { host: string; token: number };
  /** Kept by states in which an agent is at work. */
  leaseUntil?: Date;
  /** Not to be queued, or tried again, before this moment. */
  notBefore?: Date;
  /** One more attempt, or one that was counted too early. */
  attempts?: 1 | -1;
  nextToken?: boolean;
}

/** The one statement that changes a job's state; false when its guard did not hold. */
export async function moveJob(db: Db, move: Move, now: Date): Promise<boolean> {
  const { id, from, to, fence, leaseUntil, notBefore, attempts, nextToken } = move;
  const changed = await db.run(
    `update jobs set state = :to, state_document = :document, updated_at = :now,
       lease_until = :lease, not_before = coalesce(:notBefore, not_before),
       attempt = attempt + :attempts, fencing_token = fencing_token + :nextToken
     where id = :id and state in (${from.map((state) => `'${state}'`).join(", ")})
       and (:token is null or (fencing_token = :token and host = :host))`,
    {
      id,
      to: to.case,
      document: stateToJson(to),
      now: now.toISOString(),
      lease: leaseUntil?.toISOString() ?? null,
      notBefore: notBefore?.toISOString() ?? null,
      attempts: attempts ?? 0,
      nextToken: nextToken === true ? 1 : 0,
      token: fence?.token ?? null,
      host: fence?.host ?? null,
    },
  );
  return changed === 1;
}
