import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { JobRecord } from "./job-record.ts";

/** After this time in the queue a job is due, whatever else waits: nothing waits for ever. */
const patienceMs = 24 * 3600 * 1000;

/**
 * The most urgent job first: restores, then backups by the moment at which their database's RPO
 * breaks, then by age.
 */
export function orderQueue(
  queue: readonly JobRecord[],
  violatedAt: (database: string) => Date | undefined,
): JobRecord[] {
  const rank = ({ spec }: JobRecord) => (spec.kind.case === "restore" ? 0 : 1);
  const dueAt = ({ job, spec }: JobRecord) => {
    const patient = createdAt(job) + patienceMs;
    if (spec.kind.case !== "backup") return patient;
    return Math.min(patient, violatedAt(job.database)?.getTime() ?? patient);
  };
  return queue.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      dueAt(a) - dueAt(b) ||
      createdAt(a.job) - createdAt(b.job) ||
      (a.job.id < b.job.id ? -1 : 1),
  );
}

function createdAt(job: JobRecord["job"]): number {
  return job.createdAt === undefined ? 0 : timestampDate(job.createdAt).getTime();
}
