import { join } from "node:path";
import { mkdir } from "node:fs/promises";
import { once } from "node:events";
import { capsFromEnvironment } from "./store/transfer-limit.ts";
import { DbctlError } from "../core/errors.ts";
import { openIdentityChannel, readFleetIdentity } from "../core/fleet-identity.ts";
import { createClient } from "../core/grpc/client.ts";
import { errorFields, log } from "../core/log.ts";
import { pause, runService } from "../core/run-service.ts";
import { Secret } from "../core/secret.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { notifySystemd } from "../core/systemd-notify.ts";
import { readVersion } from "../core/version.ts";
import { AgentLinkService } from "../proto/gen/dbctl/v1/agent_link_pb.ts";
import { createEngine, openStore, databaseOf, resolvePassword } from "./adapters.ts";
import { type AgentConfig, type InstanceConfig, readAgentConfig } from "./config.ts";
import { holdLink, type LinkParts } from "./controller-link.ts";
import { accessDatabase } from "./database-access.ts";
import type { KnownInstance } from "./discovery/look-at-instances.ts";
import { SeenInstances } from "./discovery/seen-instances.ts";
import { enrol, identityFile, renewWhenDue } from "./enrol.ts";
import { openAgentIdentity } from "./grants/agent-identity.ts";
import { allowRepository } from "./jobs/allow-repository.ts";
import { JobRunner } from "./jobs/job-runner.ts";
import { type JobParts, runJob } from "./jobs/run-job.ts";
import { Journal } from "./journal/journal.ts";

export interface AgentFlags {
  config: string;
  tokenFile?: string;
  drainSeconds: number;
}

const now = () => new Date();

/** Runs an agent until it is told to stop, and what it does is done or told. */
export async function runAgent(flags: AgentFlags, stop: AbortSignal): Promise<void> {
  const config = await enrolHost(flags, stop);
  const { stateDir } = config;
  const identity = await openAgentIdentity(stateDir);
  using journal = new Journal(join(stateDir, "journal.sqlite"), { now });
  const parts = jobParts(config, identity.identity);
  const runner = new JobRunner({ journal, run: (spec, options) => runJob(spec, parts, options) });
  runner.failInterrupted();
  const seen = new SeenInstances(config.instances.map(knownInstance));
  await seen.look(stop);

  // The link outlives the order to stop: what becomes of the last jobs must still be told.
  const end = new AbortController();
  const link = { version: readVersion(), recipient: identity.recipient, journal, runner, now };
  const services = Promise.all([
    seen.keepLooking(end.signal),
    keepCertificate(stateDir, end.signal),
    notifySystemd({ env: process.env, signal: end.signal }),
    keepLink(stateDir, { ...link, instances: () => seen.current }, end.signal),
  ]);
  log.info("ready", { host: config.host, instances: config.instances.length });
  if (!stop.aborted) await Promise.race([services, once(stop, "abort")]);
  await runner.drain({ limitMs: flags.drainSeconds * 1000 });
  await allTold(journal);
  end.abort(stop.reason);
  await services;
}

/** Makes this host part of the fleet, unless it is; gives its configuration. */
export async function enrolHost(
  { config: file, tokenFile }: { config: string; tokenFile?: string },
  signal: AbortSignal,
): Promise<AgentConfig> {
  const config = await readAgentConfig(file);
  await mkdir(config.stateDir, { recursive: true, mode: 0o700 });
  await joinFleet(config, { tokenFile, signal });
  return config;
}

/** Enrols a host that is not yet; a token that was left in place does no harm later. */
async function joinFleet(
  { host, stateDir }: AgentConfig,
  { tokenFile, signal }: { tokenFile: string | undefined; signal: AbortSignal },
): Promise<void> {
  const known = await readFleetIdentity(identityFile(stateDir));
  if (known?.name === host) return;
  if (known !== undefined)
    throw new DbctlError("config-invalid", `Cannot be ${host}: this host joined as ${known.name}`, {
      remedy: `Put host: ${known.name} back, or remove ${identityFile(stateDir)} and enrol again`,
    });
  if (tokenFile === undefined)
    throw new DbctlError("identity-wrong", `Cannot join the fleet: ${host} is not enrolled`, {
      remedy: "Make a token with dbctl agents token, and start the agent with --token-file",
    });
  const token = await readSecretFile(tokenFile);
  if (token === undefined)
    throw new DbctlError("file-missing", `Cannot read the token file ${tokenFile}: there is none`, {
      remedy: "Name the file that dbctl agents token was written to",
    });
  await enrol({ token: new Secret(token.trim()), host, stateDir, now, signal });
  log.info("enrolled", { host });
}

function jobParts({ stateDir, instances, repositories }: AgentConfig, identity: Secret): JobParts {
  // All jobs of this host share them.
  const caps = capsFromEnvironment(process.env);
  return {
    openDatabase: async (name, database) => {
      const target = databaseOf(instanceOf(instances, name).server, database);
      return accessDatabase(target, await resolvePassword(target, process.env), caps);
    },
    openStore: async (url) => {
      allowRepository(url, repositories);
      return await openStore(url, { caps });
    },
    identity,
    stateDir,
    now,
    tool: readVersion(),
  };
}

function instanceOf(instances: readonly InstanceConfig[], name: string): InstanceConfig {
  const found = instances.find((instance) => instance.name === name);
  if (found !== undefined) return found;
  throw new DbctlError("config-invalid", `Cannot use instance "${name}": this agent has none`, {
    remedy: `Known here: ${instances.map((one) => one.name).join(", ")}`,
  });
}

function knownInstance({ name, server, labels }: InstanceConfig): KnownInstance {
  const open = async () => createEngine(server, await resolvePassword(server, process.env));
  return { name, engine: server.engine, labels, open };
}

const renewalMs = 3600_000;

/** Renews the certificate while the old one is good; the next link shows the new one. */
async function keepCertificate(stateDir: string, signal: AbortSignal): Promise<void> {
  await runService((step) => renewWhenDue({ stateDir, now }, { signal: step }), {
    idleMs: renewalMs,
    maxDelayMs: renewalMs,
    onFailure: (error) => log.error("renewal-failed", errorFields(error)),
    signal,
  });
}

const firstRetryMs = 1_000;
const longestRetryMs = 30_000;

async function keepLink(
  stateDir: string,
  parts: Omit<LinkParts, "open">,
  signal: AbortSignal,
): Promise<void> {
  const step = async () => {
    const identity = await readFleetIdentity(identityFile(stateDir));
    if (identity === undefined) throw notEnrolled(stateDir);
    using channel = openIdentityChannel(identity);
    const client = createClient(AgentLinkService, channel);
    const open: LinkParts["open"] = (requests, options) => client.link(requests, options);
    await holdLink({ ...parts, open }, { signal });
  };
  await runService(step, {
    idleMs: firstRetryMs,
    maxDelayMs: longestRetryMs,
    onFailure: (error, { delayMs }) => log.warn("link-failed", { delayMs, ...errorFields(error) }),
    signal,
  });
}

function notEnrolled(stateDir: string): DbctlError {
  return new DbctlError("identity-wrong", `Cannot link: ${identityFile(stateDir)} is gone`, {
    remedy: "Put the file back, or enrol this host again with --token-file",
  });
}

const tellMs = 5_000;

/** Gives the last events time to arrive; what does not is told after the next start. */
async function allTold(journal: Journal): Promise<void> {
  const limit = AbortSignal.timeout(tellMs);
  while (!journal.isEmpty && !limit.aborted) await pause(50, limit);
}
