import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DbctlError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { JobSpecSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Db } from "../database/database.ts";
import { readJob, specToJson, stateToJson } from "./job-record.ts";
import type { JobRecord } from "./job-record.ts";

export interface NewJob {
  spec: MessageInitShape<typeof JobSpecSchema>["kind"] & { case: "backup" | "restore" | "verify" };
  /** host/database. */
  database: string;
  /** Whose agent does it. */
  host: string;
  /** A user, or a policy. */
  requestedBy: string;
  policy?: string;
  retries: number;
  retryDelaySeconds: number;
}

/** Puts a job into the queue. */
export async function insertJob(db: Db, job: NewJob, now: Date): Promise<JobRecord> {
  const id = newId(now.getTime());
  const at = timestampFromDate(now);
  await db.run(
    `insert into jobs (id, kind, database, host, spec, state, state_document, max_attempts,
       retry_delay_seconds, not_before, policy, requested_by, created_at, updated_at)
     values (:id, :kind, :database, :host, :spec, 'queued', :document, :maxAttempts,
       :retryDelay, :now, :policy, :requestedBy, :now, :now)`,
    {
      id,
      kind: job.spec.case,
      database: job.database,
      host: job.host,
      spec: specToJson(create(JobSpecSchema, { kind: job.spec })),
      document: stateToJson({ case: "queued", value: { at, notBefore: at } }),
      maxAttempts: job.retries + 1,
      retryDelay: job.retryDelaySeconds,
      policy: job.policy ?? null,
      requestedBy: job.requestedBy,
      now: now.toISOString(),
    },
  );
  return await requireJob(db, id);
}

/** The job, or an error that says there is none. */
export async function requireJob(db: Db, id: string): Promise<JobRecord> {
  const record = await readJob(db, id);
  if (record !== undefined) return record;
  throw new DbctlError("job-unknown", `Cannot find job ${id}: the catalog has none of this id`, {
    remedy: "See `dbctl jobs ls` for the ids",
  });
}
