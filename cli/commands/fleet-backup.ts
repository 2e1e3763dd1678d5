import type { MessageInitShape } from "@bufbuild/protobuf";
import { DbctlError } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import { type EnqueueBackupsRequestSchema, JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openController } from "../controller-client.ts";
import { printJobs, waitForJobs } from "./watch-jobs.ts";

export interface FleetBackupFlags {
  all: boolean;
  selector?: string;
  allowMissing: boolean;
  freshEpoch: boolean;
  wait: boolean;
  json: boolean;
  signal: AbortSignal;
}

type Selection = MessageInitShape<typeof EnqueueBackupsRequestSchema>["selection"];

/** Has databases of the fleet backed up by the agents of their hosts, as their policies say. */
export async function backUpFleet(
  names: readonly string[],
  { all, selector, allowMissing, freshEpoch, wait, json, signal }: FleetBackupFlags,
): Promise<void> {
  const selection = selectionOf({ names, all, selector });
  using channel = await openController();
  const client = createClient(JobsService, channel);
  const { jobs } = await client.enqueueBackups({ selection, allowMissing, freshEpoch }, { signal });
  if (wait) await waitForJobs(client, jobs, { json, signal });
  else await printJobs(jobs, { json });
}

/** Exactly one way of naming databases. */
export function selectionOf({
  names,
  all,
  selector,
}: {
  names: readonly string[];
  all: boolean;
  selector?: string | undefined;
}): NonNullable<Selection> {
  const ways: NonNullable<Selection>[] = [];
  if (all) ways.push({ case: "all", value: {} });
  if (selector !== undefined) ways.push({ case: "selector", value: selector });
  if (names.length > 0) ways.push({ case: "names", value: { names: [...names] } });
  const [only, ...more] = ways;
  if (only !== undefined && more.length === 0) return only;
  const what = only === undefined ? "no database is named" : "databases are named in several ways";
  throw new DbctlError("usage", `Cannot back up: ${what}`, {
    remedy: "Write a database URL, names (host/database), -l label=value, or --all",
  });
}
