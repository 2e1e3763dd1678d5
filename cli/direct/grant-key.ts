import { openStore } from "../../agent/adapters.ts";
import { type SealedGrant, sealGrant } from "../../agent/grants/epoch-grant.ts";
import { findBackup } from "../../agent/repository/list-backups.ts";
import { readEpochFile } from "../../agent/repository/open-backup.ts";
import { openRepository } from "../../agent/repository/open-repository.ts";
import { DbctlError } from "../../core/errors.ts";
import { type CallOptions, type Channel, createClient } from "../../core/grpc/client.ts";
import type { Client } from "../../core/grpc/method-shapes.ts";
import { AgentsService } from "../../proto/gen/dbctl/v1/agents_pb.ts";
import { type Backup, BackupsService } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { type KeyFlags, unlock } from "./held-keys.ts";
import { pinRecipient } from "./pin-recipient.ts";

interface GrantOptions {
  /** Whose agent is to open the backup. */
  host: string;
  /** What the operator holds. */
  keys: KeyFlags;
  /** Where this machine reaches the repository, when it is not where the hosts do. */
  repo?: string | undefined;
  /** Also for a backup that was deleted. */
  deleted?: boolean;
  signal: AbortSignal;
}

/** The backup of the catalog of this id; of `host/database:latest` the newest that is not damaged. */
export async function readFleetBackup(
  channel: Channel,
  name: string,
  { signal }: { signal: AbortSignal },
): Promise<Backup> {
  const client = createClient(BackupsService, channel);
  const database = /^(.+):latest$/.exec(name)?.[1];
  const id = database === undefined ? name : await newestOf(client, database, { signal });
  const { backup } = await client.getBackup({ id }, { signal });
  if (backup === undefined) throw unknownBackup(name);
  return backup;
}

/** So many damaged ones in a row are worth a person's look. */
const looked = 100;

async function newestOf(
  client: Client<typeof BackupsService, CallOptions>,
  database: string,
  { signal }: { signal: AbortSignal },
): Promise<string> {
  const { backups } = await client.listBackups({ database, limit: looked }, { signal });
  const newest = backups.find(({ damaged }) => !damaged);
  if (newest === undefined) throw unknownBackup(`${database}:latest`);
  return newest.id;
}

/**
 * Opens the key of the backup's epoch, here, and seals it to the agent of one host: the controller
 * passes on what it cannot open.
 */
export async function grantKey(
  channel: Channel,
  { id, repositoryUrl }: Backup,
  { host, keys, repo, deleted = false, signal }: GrantOptions,
): Promise<SealedGrant> {
  const recipient = await recipientOf(channel, { host, signal });
  await pinRecipient({ controller: channel.address, host, recipient });
  const store = await openStore(repo ?? repositoryUrl, { signal });
  const identity = await unlock(await openRepository(store, { signal }), keys, { signal });
  const header = await findBackup(store, id, { deleted, signal });
  if (header.id !== id) throw unknownBackup(id);
  const epoch = await readEpochFile(store, header, { identity, signal });
  return await sealGrant(epoch, { backup: id, recipient, now: new Date() });
}

/** The key under which the host's agent is registered. */
async function recipientOf(
  channel: Channel,
  { host, signal }: { host: string; signal: AbortSignal },
): Promise<string> {
  const { agents } = await createClient(AgentsService, channel).listAgents({}, { signal });
  const agent = agents.find((one) => one.host === host && one.state !== "revoked");
  if (agent === undefined)
    throw new DbctlError("host-unknown", `Cannot grant a key to ${host}: there is no such agent`, {
      remedy: `Hosts of the fleet: ${agents.map((one) => one.host).join(", ")}`,
    });
  if (agent.recipient !== "") return agent.recipient;
  throw new DbctlError("host-unknown", `Cannot grant a key to ${host}: it has told no key yet`, {
    remedy: "Start the agent there, then try again",
    retryable: true,
  });
}

function unknownBackup(name: string): DbctlError {
  return new DbctlError("backup-unknown", `Cannot find backup "${name}": there is none`, {
    remedy: "See dbctl backups ls for the ids",
  });
}
