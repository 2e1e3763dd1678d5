import { pause } from "../../core/run-service.ts";
import type { Db } from "../database/database.ts";
import { requireJob } from "./insert-job.ts";
import { hasEnded, recordOf } from "./job-record.ts";
import type { JobRecord, StateName } from "./job-record.ts";

/** The newest first. No states: all; no database: of all. */
export async function listJobs(
  db: Db,
  { states, database, limit }: { states: readonly StateName[]; database: string; limit: number },
): Promise<JobRecord[]> {
  const among =
    states.length === 0 ? "" : `and state in (${states.map((state) => `'${state}'`).join(", ")})`;
  const rows = await db.all(
    `select * from jobs where (:database = '' or database = :database) ${among}
     order by created_at desc, id desc limit :limit`,
    { database, limit },
  );
  return rows.map(recordOf);
}

/** Jobs that were sent to the host's agent and of which it has not said that they started. */
export async function readDispatched(db: Db, host: string): Promise<JobRecord[]> {
  const rows = await db.all("select * from jobs where host = :host and state = 'dispatched'", {
    host,
  });
  return rows.map(recordOf);
}

/** Each job as it is, and again whenever its state or progress changes, until all have ended. */
export async function* watchJobs(
  db: Db,
  { ids, pauseMs, signal }: { ids: readonly string[]; pauseMs: number; signal: AbortSignal },
): AsyncGenerator<JobRecord> {
  const shown = new Map<string, string>();
  for (const id of new Set(ids)) shown.set(id, "");
  while (shown.size > 0) {
    for (const [id, before] of shown) {
      signal.throwIfAborted();
      const record = await requireJob(db, id);
      const now = look(record);
      const ended = hasEnded(record);
      if (ended) shown.delete(id);
      else shown.set(id, now);
      if (now !== before) yield record;
    }
    if (shown.size > 0) await pause(pauseMs, signal);
  }
}

/** What a watcher sees change; renewed leases are nothing to look at. */
function look({ job, cancelRequestedBy }: JobRecord): string {
  const { state, attempt } = job;
  const kind = state?.kind;
  const progress = kind?.case === "running" ? kind.value.progress : undefined;
  const done = `${progress?.phase ?? ""} ${progress?.bytesDone ?? 0n} ${progress?.bytesTotal ?? 0n}`;
  return `${kind?.case ?? ""} ${attempt} ${cancelRequestedBy} ${done}`;
}
