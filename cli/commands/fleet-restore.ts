import { createStore } from "../../agent/adapters.ts";
import { sealGrant } from "../../agent/grants/epoch-grant.ts";
import { readIdentityFile } from "../../agent/repository/identity.ts";
import { findBackup } from "../../agent/repository/list-backups.ts";
import { readEpochFile } from "../../agent/repository/open-backup.ts";
import { DbctlError } from "../../core/errors.ts";
import { type Channel, createClient } from "../../core/grpc/client.ts";
import { AgentsService } from "../../proto/gen/dbctl/v1/agents_pb.ts";
import { type Backup, BackupsService } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openController } from "../controller-client.ts";
import { pinRecipient } from "../direct/pin-recipient.ts";
import { printJobs, waitForJobs } from "./watch-jobs.ts";

export interface FleetRestoreFlags {
  /** `host/database`. */
  to: string;
  identity: string;
  /** Where this machine reaches the repository, when it is not where the hosts do. */
  repo?: string;
  create: boolean;
  wait: boolean;
  json: boolean;
  signal: AbortSignal;
}

/**
 * Has the agent of a host restore a backup. The key of the backup's epoch is opened here, by its
 * owner, and sealed to that agent: the controller passes on what it cannot open.
 */
export async function restoreFleet(name: string, flags: FleetRestoreFlags): Promise<void> {
  const { to, create, wait, json, signal } = flags;
  const host = hostOf(to);
  using channel = await openController();
  const { backup } = await createClient(BackupsService, channel).getBackup(
    { id: name },
    { signal },
  );
  if (backup === undefined) throw unknownBackup(name);
  const recipient = await recipientOf(channel, { host, signal });
  await pinRecipient({ controller: channel.address, host, recipient });
  const epochKey = await grantKey(backup, recipient, flags);
  const client = createClient(JobsService, channel);
  const request = { backupId: backup.id, target: to, create, epochKey };
  const { job } = await client.enqueueRestore(request, { signal });
  const jobs = job === undefined ? [] : [job];
  if (wait) await waitForJobs(client, jobs, { json, signal });
  else printJobs(jobs, { json });
}

function hostOf(target: string): string {
  const slash = target.indexOf("/");
  if (slash > 0 && slash < target.length - 1) return target.slice(0, slash);
  throw new DbctlError("usage", `Cannot restore into "${target}": it names no host and database`, {
    remedy: "Write host/database, or a database URL to restore from this machine",
  });
}

/** The key under which the host's agent is registered. */
async function recipientOf(
  channel: Channel,
  { host, signal }: { host: string; signal: AbortSignal },
): Promise<string> {
  const { agents } = await createClient(AgentsService, channel).listAgents({}, { signal });
  const agent = agents.find((one) => one.host === host && one.state !== "revoked");
  if (agent === undefined)
    throw new DbctlError("host-unknown", `Cannot restore on ${host}: there is no such agent`, {
      remedy: `Hosts of the fleet: ${agents.map((one) => one.host).join(", ")}`,
    });
  if (agent.recipient !== "") return agent.recipient;
  throw new DbctlError("host-unknown", `Cannot restore on ${host}: its agent has told no key yet`, {
    remedy: "Start the agent there, then try again",
    retryable: true,
  });
}

async function grantKey(
  { id, repositoryUrl }: Backup,
  recipient: string,
  { identity: file, repo, signal }: FleetRestoreFlags,
) {
  const identity = await readIdentityFile(file);
  const store = createStore(repo ?? repositoryUrl);
  const header = await findBackup(store, id, { signal });
  if (header.id !== id) throw unknownBackup(id);
  const epoch = await readEpochFile(store, header, { identity, signal });
  return await sealGrant(epoch, { backup: id, recipient, now: new Date() });
}

function unknownBackup(name: string): DbctlError {
  return new DbctlError("backup-unknown", `Cannot find backup "${name}": there is none`, {
    remedy: "See dbctl backups ls for the ids",
  });
}
