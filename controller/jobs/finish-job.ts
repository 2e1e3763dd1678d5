import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { parseVerifyDepth } from "../../core/verify-depth.ts";
import { ErrorDetailSchema } from "../../proto/gen/dbctl/v1/errors_pb.ts";
import type { ErrorDetail } from "../../proto/gen/dbctl/v1/errors_pb.ts";
import type { BackupResult, JobResult } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { recordBackup } from "../catalog/record-backup.ts";
import { recordLook } from "../catalog/record-look.ts";
import type { Db } from "../database/database.ts";
import { activeStates, willBeRetried } from "./job-record.ts";
import type { JobRecord } from "./job-record.ts";
import { moveJob } from "./move-job.ts";
import { tellJob } from "./tell-job.ts";
import type { Happening } from "./tell-job.ts";

interface Success {
  record: JobRecord;
  token: number;
  result: JobResult;
}

/**
 * Ends a job well. What it found out, a backup or a verdict, is true even when the job was given up,
 * sent out again or cancelled meanwhile: the catalog takes it, and only the job stays as it is. False
 * when nothing changed.
 */
export async function succeedJob(db: Db, success: Success, now: Date): Promise<boolean> {
  const { record, token, result } = success;
  const dispatchedAt = await readDispatch(db, record.job.id, token);
  if (dispatchedAt === undefined) return false;
  const fault = faultOf(record, result);
  if (fault !== undefined) return await failJob(db, { record, token, error: unusable(fault) }, now);
  const learned = await learn(db, { ...success, dispatchedAt }, now);
  const to = { case: "succeeded", value: { at: timestampFromDate(now), result } } as const;
  const fence = { host: record.job.host, token };
  // Queued with this token: given up, but not yet sent out again. It need not be.
  const from = [...activeStates, "lost", "queued"] as const;
  const moved = await moveJob(db, { id: record.job.id, from, to, fence }, now);
  if (!moved && !learned) return false;
  await tellJob(db, { record, happening: happeningOf(result, dispatchedAt, now) }, now);
  return true;
}

/**
 * Ends an attempt badly: another one follows when the error may pass and attempts are left. Its token
 * ends with it. One that was lost has been told of as failed: only other consequences are told then.
 */
export async function failJob(
  db: Db,
  { record, token, error }: { record: JobRecord; token: number; error: ErrorDetail },
  now: Date,
): Promise<boolean> {
  const at = timestampFromDate(now);
  const { job } = record;
  const { id, host } = job;
  const retried = error.retryable && willBeRetried(record);
  const notBefore = new Date(now.getTime() + record.retryDelaySeconds * 1000);
  const queued = { at, notBefore: timestampFromDate(notBefore) };
  const next = retried
    ? ({ to: { case: "queued", value: queued }, notBefore, attempts: 1, nextToken: true } as const)
    : ({ to: { case: "failed", value: { at, error } } } as const);
  const from = [...activeStates, "lost"] as const;
  const moved = await moveJob(db, { id, from, fence: { host, token }, ...next }, now);
  const isTold = job.state?.kind.case === "lost" && retried === willBeRetried(record);
  if (moved && !isTold) {
    const happening = { outcome: "failed", error: error.message, retried } as const;
    await tellJob(db, { record, happening }, now);
  }
  return moved;
}

/** When the controller sent this dispatch; undefined when it never did. */
async function readDispatch(db: Db, id: string, token: number): Promise<Date | undefined> {
  const row = await db.one(
    "select dispatched_at from job_attempts where job_id = :id and fencing_token = :token",
    { id, token },
  );
  return row && new Date(String(row["dispatched_at"]));
}

/** An agent is untrusted input: its result must answer what it was asked. */
function faultOf({ spec }: JobRecord, result: JobResult): string | undefined {
  const { kind } = result;
  if (kind.case === undefined || kind.case !== spec.kind.case)
    return `the agent answered a ${spec.kind.case ?? "job"} with ${kind.case ?? "nothing"}`;
  if (kind.case === "backup") return backupFault(kind.value);
  const asked = spec.kind.case === "backup" ? "" : spec.kind.value.backupId;
  if (kind.value.backupId !== asked)
    return `the agent answered for backup "${kind.value.backupId}" instead of "${asked}"`;
  if (kind.case !== "verify" || spec.kind.case !== "verify") return undefined;
  const [{ depth }, { depth: wanted }] = [kind.value, spec.kind.value];
  // An agent that does not know of depths looks at everything.
  if (depth === "" || depth === (wanted || "full")) return undefined;
  return `the agent looked as closely as "${depth}" instead of "${wanted}"`;
}

function backupFault({ backupId, state, missing }: BackupResult): string | undefined {
  if (backupId === "") return "the agent sent a backup without an id";
  if (state !== "complete" && state !== "partial") return `the agent sent the state "${state}"`;
  if (state === "complete" && missing.length > 0)
    return `the agent called a backup complete that lacks ${missing.length} objects`;
  return undefined;
}

function unusable(fault: string): ErrorDetail {
  return create(ErrorDetailSchema, {
    code: "protocol-violated",
    message: `Cannot use the result of the job: ${fault}`,
    remedy: "Bring the agent to the controller's version",
  });
}

/** True when the catalog did not know it yet. */
async function learn(
  db: Db,
  { record, result, dispatchedAt }: Success & { dispatchedAt: Date },
  now: Date,
): Promise<boolean> {
  const { job, spec } = record;
  if (result.kind.case === "backup" && spec.kind.case === "backup") {
    const { repositoryUrl } = spec.kind.value;
    const about = { database: job.database, jobId: job.id, repositoryUrl };
    const startedAt = dispatchedAt;
    return await recordBackup(db, { ...about, startedAt, result: result.kind.value }, now);
  }
  if (result.kind.case === "verify") {
    const { backupId, depth, bytes, damages } = result.kind.value;
    const look = { depth: parseVerifyDepth(depth), bytes: Number(bytes), damages };
    return await recordLook(db, backupId, { ...look, at: dispatchedAt });
  }
  return false;
}

function happeningOf({ kind }: JobResult, dispatchedAt: Date, now: Date): Happening {
  if (kind.case === "backup") {
    const durationSeconds = (now.getTime() - dispatchedAt.getTime()) / 1000;
    return { outcome: "backed-up", result: kind.value, durationSeconds };
  }
  if (kind.case === "verify") return { outcome: "verified", result: kind.value };
  return { outcome: "restored" };
}
