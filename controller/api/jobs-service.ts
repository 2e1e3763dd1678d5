import { DbctlError } from "../../core/errors.ts";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import type { EnqueueBackupsRequest, JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Db } from "../database/database.ts";
import { cancelJob } from "../jobs/cancel-job.ts";
import type { Selection } from "../jobs/choose-targets.ts";
import { enqueueBackups } from "../jobs/enqueue-backups.ts";
import { enqueueRestore, enqueueVerify } from "../jobs/enqueue-restore.ts";
import { requireJob } from "../jobs/insert-job.ts";
import { stateNames } from "../jobs/job-record.ts";
import type { StateName } from "../jobs/job-record.ts";
import { listJobs, watchJobs } from "../jobs/list-jobs.ts";
import { actorOf } from "../trust/identify.ts";
import { readLimit } from "./request-limit.ts";

export interface JobsParts {
  db: Db;
  now: () => Date;
  /** Between two looks of WatchJobs; 500 ms unless told. */
  watchPauseMs?: number;
}

export function createJobsService({
  db,
  now,
  watchPauseMs = 500,
}: JobsParts): Implementation<typeof JobsService, CallContext> {
  return {
    async enqueueBackups(request, { peer }) {
      const { allowMissing, freshEpoch } = request;
      const requestedBy = actorOf(peer.identity);
      const wanted = { selection: selectionOf(request), allowMissing, freshEpoch, requestedBy };
      return { jobs: (await enqueueBackups(db, wanted, now())).map(({ job }) => job) };
    },
    async enqueueRestore({ backupId, target, create, epochKey }, { peer }) {
      const requestedBy = actorOf(peer.identity);
      const request = { backupId, target, create, epochKey, requestedBy };
      return { job: (await enqueueRestore(db, request, now())).job };
    },
    async enqueueVerify({ backupId, host, epochKey, depth, seed }, { peer }) {
      const requestedBy = actorOf(peer.identity);
      const request = { backupId, host, epochKey, depth, seed, requestedBy };
      return { job: (await enqueueVerify(db, request, now())).job };
    },
    async listJobs({ states, database, limit }) {
      const wanted = { states: states.map(readState), database, limit: readLimit(limit) };
      return { jobs: (await listJobs(db, wanted)).map(({ job }) => job) };
    },
    async getJob({ id }) {
      return { job: (await requireJob(db, id)).job };
    },
    async *watchJobs({ ids }, { signal }) {
      for await (const { job } of watchJobs(db, { ids, pauseMs: watchPauseMs, signal }))
        yield { job };
    },
    async cancelJob({ id }, { peer }) {
      return { job: (await cancelJob(db, { id, by: actorOf(peer.identity) }, now())).job };
    },
  };
}

function selectionOf({ selection }: EnqueueBackupsRequest): Selection {
  switch (selection.case) {
    case "all":
      return { case: "all" };
    case "names":
      return { case: "names", names: selection.value.names };
    case "selector":
      return { case: "selector", selector: selection.value };
    case undefined:
      throw new DbctlError("usage", "Cannot back up: no database is selected", {
        remedy: "Name host/database, give a selector, or say --all",
      });
  }
}

function readState(word: string): StateName {
  const state = stateNames.find((name) => name === word);
  if (state !== undefined) return state;
  throw new DbctlError("usage", `Cannot list jobs in the state "${word}": there is none`, {
    remedy: `States: ${stateNames.join(", ")}`,
  });
}
