import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JobSchema, JobSpecSchema, JobStateSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Job, JobSpec, JobState } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Db, Row } from "../database/database.ts";

/** A job as the catalog has it; `job` is what the protocol shows of it. */
export interface JobRecord {
  job: Job;
  spec: JobSpec;
  fencingToken: number;
  maxAttempts: number;
  retryDelaySeconds: number;
  policy: string;
  /** Who wants it to end; empty when nobody does. */
  cancelRequestedBy: string;
}

/** The state's name and what only that state has. */
export type StateOf = Exclude<JobState["kind"], { case: undefined }>;
export type StateName = StateOf["case"];
/** As a literal is written: without the message's own fields. */
export type StateInit = MessageInitShape<typeof JobStateSchema>["kind"] & { case: StateName };

/** States in which an agent may be at work. */
export const activeStates = ["dispatched", "running"] as const satisfies StateName[];

export const stateNames = [
  "queued",
  "dispatched",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "lost",
] as const satisfies StateName[];

export function stateToJson(kind: StateInit): string {
  return toJsonString(JobStateSchema, create(JobStateSchema, { kind }));
}

export function specToJson(spec: JobSpec): string {
  return toJsonString(JobSpecSchema, spec);
}

export async function readJob(db: Db, id: string): Promise<JobRecord | undefined> {
  const row = await db.one("select * from jobs where id = :id", { id });
  return row && recordOf(row);
}

/** Reads a row of the table `jobs`. */
export function recordOf(row: Row): JobRecord {
  const state = fromJsonString(JobStateSchema, String(row["state_document"]));
  const spec = fromJsonString(JobSpecSchema, String(row["spec"]));
  const { kind } = state;
  // Heartbeats renew the column only.
  if ((kind.case === "dispatched" || kind.case === "running") && row["lease_until"] !== null)
    kind.value.leaseUntil = timestampFromDate(new Date(String(row["lease_until"])));
  const job = create(JobSchema, {
    id: String(row["id"]),
    database: String(row["database"]),
    host: String(row["host"]),
    spec,
    state,
    attempt: Number(row["attempt"]),
    createdAt: timestampFromDate(new Date(String(row["created_at"]))),
    requestedBy: String(row["requested_by"]),
  });
  return {
    job,
    spec,
    fencingToken: Number(row["fencing_token"]),
    maxAttempts: Number(row["max_attempts"]),
    retryDelaySeconds: Number(row["retry_delay_seconds"]),
    policy: String(row["policy"] ?? ""),
    cancelRequestedBy: String(row["cancel_requested_by"] ?? ""),
  };
}

/** Whether nothing will happen to it any more by itself. */
export function hasEnded(record: JobRecord): boolean {
  const state = record.job.state?.kind.case;
  if (state === "lost") return !willBeRetried(record);
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

/** Whether another attempt follows when this one was lost. */
export function willBeRetried({ job, maxAttempts, cancelRequestedBy }: JobRecord): boolean {
  return job.attempt < maxAttempts && cancelRequestedBy === "";
}
