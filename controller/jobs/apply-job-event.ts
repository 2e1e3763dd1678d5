import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { JobEvent } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import type { Db } from "../database/database.ts";
import { defaultLeaseMs } from "./claim-next-job.ts";
import { failJob, succeedJob } from "./finish-job.ts";
import { activeStates, readJob } from "./job-record.ts";
import type { JobRecord } from "./job-record.ts";
import { moveJob } from "./move-job.ts";
import { tellJob } from "./tell-job.ts";

/** `known`: taken before. `refused`: of an old dispatch, or of a job that is not the agent's. */
export type Outcome = "applied" | "known" | "refused";

interface Arrival {
  agent: { id: string; host: string };
  event: JobEvent;
  leaseMs?: number | undefined;
}

/**
 * Takes one event of an agent's journal into the catalog: the job's state, the backup, what people are
 * told and the number of the event, in one transaction. Events with an old fencing token are refused;
 * a backup that such a job made exists all the same, and is recorded.
 */
export function applyJobEvent(
  db: Db,
  { agent, event, leaseMs = defaultLeaseMs }: Arrival,
  now: Date,
): Promise<Outcome> {
  return db.transaction(async (inner) => {
    const sequence = Number(event.sequence);
    const counted = await inner.run(
      "update agents set last_sequence = :sequence where id = :id and last_sequence < :sequence",
      { id: agent.id, sequence },
    );
    if (counted === 0) return "known";
    const record = await readJob(inner, event.jobId);
    if (record === undefined || record.job.host !== agent.host) return "refused";
    const applied = await apply(inner, { record, event, leaseMs }, now);
    return applied ? "applied" : "refused";
  });
}

interface Incoming {
  record: JobRecord;
  event: JobEvent;
  leaseMs: number;
}

async function apply(db: Db, { record, event, leaseMs }: Incoming, now: Date): Promise<boolean> {
  const token = Number(event.fencingToken);
  const fence = { host: record.job.host, token };
  const { id } = record.job;
  const at = timestampFromDate(now);
  switch (event.event.case) {
    case "started":
      return await start(db, { record, token, leaseMs }, now);
    case "progress": {
      const startedAt = startOf(record) ?? at;
      const leaseUntil = new Date(now.getTime() + leaseMs);
      const to = { case: "running", value: { startedAt, progress: event.event.value } } as const;
      return await moveJob(db, { id, from: activeStates, to, fence, leaseUntil }, now);
    }
    case "succeeded":
      return await succeedJob(db, { record, token, result: event.event.value }, now);
    case "failed":
      return await failJob(db, { record, token, error: event.event.value }, now);
    case "cancelled": {
      const by = record.cancelRequestedBy || "the agent";
      const to = { case: "cancelled", value: { at, by } } as const;
      return await moveJob(db, { id, from: [...activeStates, "lost"], to, fence }, now);
    }
    case undefined:
      return false;
  }
}

async function start(
  db: Db,
  { record, token, leaseMs }: { record: JobRecord; token: number; leaseMs: number },
  now: Date,
): Promise<boolean> {
  const { id, host } = record.job;
  const to = { case: "running", value: { startedAt: timestampFromDate(now) } } as const;
  const leaseUntil = new Date(now.getTime() + leaseMs);
  const from = ["dispatched", "lost"] as const;
  const moved = await moveJob(db, { id, from, to, fence: { host, token }, leaseUntil }, now);
  if (moved) await tellJob(db, { record, happening: { outcome: "started" } }, now);
  return moved;
}

function startOf({ job }: JobRecord) {
  const kind = job.state?.kind;
  return kind?.case === "running" ? kind.value.startedAt : undefined;
}
