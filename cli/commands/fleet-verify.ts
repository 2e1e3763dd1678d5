import { createClient } from "../../core/grpc/client.ts";
import { formatVerifyDepth, type VerifyDepth } from "../../core/verify-depth.ts";
import { JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openController } from "../controller-client.ts";
import { grantKey, readFleetBackup } from "../direct/grant-key.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { printJobs, waitForJobs } from "./watch-jobs.ts";

export interface FleetVerifyFlags extends KeyFlags {
  /** Whose agent verifies; the backup's own host when unset. */
  host?: string;
  depth: VerifyDepth;
  seed?: string;
  wait: boolean;
  json: boolean;
  signal: AbortSignal;
}

/** Has an agent verify a backup of the catalog, with a key that is granted for this only. */
export async function verifyFleet(
  name: string,
  { depth, seed, wait, json, signal, ...flags }: FleetVerifyFlags,
): Promise<void> {
  using channel = await openController();
  const backup = await readFleetBackup(channel, name, { signal });
  const host = flags.host ?? backup.database.split("/")[0] ?? "";
  const grant = { host, keys: flags, deleted: true, signal };
  const key = depth.kind === "quick" ? {} : { epochKey: await grantKey(channel, backup, grant) };
  const how = { depth: formatVerifyDepth(depth), seed: seed ?? "" };
  const client = createClient(JobsService, channel);
  const request = { backupId: backup.id, host, ...key, ...how };
  const { job } = await client.enqueueVerify(request, { signal });
  const jobs = job === undefined ? [] : [job];
  if (wait) await waitForJobs(client, jobs, { json, signal });
  else await printJobs(jobs, { json });
}
