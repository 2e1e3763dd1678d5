import { DbctlError } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import { JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openController } from "../controller-client.ts";
import { grantKey, readFleetBackup } from "../direct/grant-key.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { printJobs, waitForJobs } from "./watch-jobs.ts";

export interface FleetRestoreFlags extends KeyFlags {
  /** `host/database`. */
  to: string;
  /** Where this machine reaches the repository, when it is not where the hosts do. */
  repo?: string;
  create: boolean;
  deleted: boolean;
  wait: boolean;
  json: boolean;
  signal: AbortSignal;
}

/** Has the agent of a host restore a backup, with a key that is granted for this only. */
export async function restoreFleet(name: string, flags: FleetRestoreFlags): Promise<void> {
  const { to, repo, create, deleted, wait, json, signal } = flags;
  const host = hostOf(to);
  using channel = await openController();
  const backup = await readFleetBackup(channel, name, { signal });
  const epochKey = await grantKey(channel, backup, { host, keys: flags, repo, deleted, signal });
  const client = createClient(JobsService, channel);
  const request = { backupId: backup.id, target: to, create, epochKey };
  const { job } = await client.enqueueRestore(request, { signal });
  const jobs = job === undefined ? [] : [job];
  if (wait) await waitForJobs(client, jobs, { json, signal });
  else await printJobs(jobs, { json });
}

function hostOf(target: string): string {
  const slash = target.indexOf("/");
  if (slash > 0 && slash < target.length - 1) return target.slice(0, slash);
  throw new DbctlError("usage", `Cannot restore into "${target}": it names no host and database`, {
    remedy: "Write host/database, or a database URL to restore from this machine",
  });
}
