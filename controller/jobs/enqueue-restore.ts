import { DbctlError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { nearestName } from "../../core/nearest-name.ts";
import { formatVerifyDepth, parseVerifyDepth } from "../../core/verify-depth.ts";
import type { SealedEpochKey } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { requireBackup } from "../catalog/read-backups.ts";
import { readDatabase } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import { defaults } from "../policies/policy.ts";
import { insertJob } from "./insert-job.ts";
import type { JobRecord } from "./job-record.ts";

export interface RestoreRequest {
  backupId: string;
  /** host/database. */
  target: string;
  create: boolean;
  epochKey: SealedEpochKey | undefined;
  requestedBy: string;
}

export interface VerifyRequest {
  backupId: string;
  /** Empty: the backup's own. */
  host: string;
  epochKey: SealedEpochKey | undefined;
  /** As people write it; `full` unless told. */
  depth?: string;
  /** Which sample; one by chance unless told. */
  seed?: string;
  requestedBy: string;
}

/** A restore is tried again like a backup: it goes on where the attempt before was cut short. */
export function enqueueRestore(db: Db, request: RestoreRequest, now: Date): Promise<JobRecord> {
  const { backupId, target, epochKey, requestedBy } = request;
  return db.transaction(async (inner) => {
    const backup = await requireBackup(inner, backupId);
    if (backup.removedAt !== undefined) throw removedBackup("restore", backupId);
    const { host, instance, database } = await readTarget(inner, target, backup.engine);
    const value = {
      backupId,
      repositoryUrl: backup.repositoryUrl,
      instance,
      database,
      create: request.create,
      jobs: defaults.jobs,
      ...(epochKey === undefined ? {} : { epochKey }),
    };
    const { retries, retryDelaySeconds } = defaults;
    const spec = { case: "restore", value } as const;
    const about = { database: target, host, requestedBy, retries, retryDelaySeconds };
    return await insertJob(inner, { spec, ...about }, now);
  });
}

export function enqueueVerify(db: Db, request: VerifyRequest, now: Date): Promise<JobRecord> {
  const { backupId, epochKey, requestedBy } = request;
  const depth = readDepth(request.depth ?? "");
  return db.transaction(async (inner) => {
    const { database, repositoryUrl, removedAt } = await requireBackup(inner, backupId);
    if (removedAt !== undefined) throw removedBackup("verify", backupId);
    const host = request.host || (database.split("/")[0] ?? "");
    await requireHost(inner, { act: "verify on", host });
    const seed = depth.startsWith("sample") ? request.seed || newId(now.getTime()) : "";
    const how = { depth, seed, ...(epochKey === undefined ? {} : { epochKey }) };
    const spec = { case: "verify", value: { backupId, repositoryUrl, ...how } } as const;
    const { retries, retryDelaySeconds } = defaults;
    const about = { database, host, requestedBy, retries, retryDelaySeconds };
    return await insertJob(inner, { spec, ...about }, now);
  });
}

function readDepth(text: string): string {
  try {
    return formatVerifyDepth(parseVerifyDepth(text));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new DbctlError("usage", `Cannot verify as closely as "${text}": ${cause.message}`, {
      remedy: "Say --depth quick, index, sample=5% or full",
      cause,
    });
  }
}

function removedBackup(act: string, id: string): DbctlError {
  return new DbctlError("backup-unknown", `Cannot ${act} backup ${id}: it was removed`, {
    remedy: "Look for another one with dbctl backups ls",
  });
}

async function requireHost(db: Db, { act, host }: { act: string; host: string }): Promise<void> {
  const rows = await db.all("select host from agents where revoked_at is null");
  const hosts = rows.map((row) => String(row["host"]));
  if (hosts.includes(host)) return;
  const nearest = nearestName(host, hosts);
  const hint = nearest === undefined ? "" : `Did you mean "${nearest}"? `;
  throw new DbctlError("host-unknown", `Cannot ${act} ${host}: the fleet has no agent there`, {
    remedy: `${hint}See \`dbctl agents ls\``,
  });
}

interface Place {
  host: string;
  instance: string;
  database: string;
}

/** A database that is there by its name; else `host/database` or `host/instance/database`. */
async function readTarget(db: Db, target: string, engine: string): Promise<Place> {
  const known = await readDatabase(db, target);
  if (known !== undefined && known.engine === engine) return known;
  const [host = "", ...rest] = target.split("/");
  if (host === "" || rest.join("/") === "")
    throw new DbctlError("usage", `Cannot restore into "${target}": it is not host/database`, {
      remedy: "Name the target as host/database",
    });
  await requireHost(db, { act: "restore into", host });
  const rows = await db.all(
    `select i.name, i.engine from instances i join agents a on a.id = i.agent_id
     where a.host = :host order by i.name`,
    { host },
  );
  const instances = rows.map((row) => ({
    name: String(row["name"]),
    engine: String(row["engine"]),
  }));
  const fitting = instances.filter((one) => one.engine === engine);
  const named = rest.length > 1 ? fitting.find(({ name }) => name === rest[0]) : undefined;
  if (named !== undefined) return { host, instance: named.name, database: rest.slice(1).join("/") };
  const [only, another] = fitting;
  if (only !== undefined && another === undefined)
    return { host, instance: only.name, database: rest.join("/") };
  const all = instances.map((one) => `${one.name} (${one.engine})`).join(", ");
  const what = only === undefined ? `has no ${engine} server` : `has several ${engine} servers`;
  throw new DbctlError("config-invalid", `Cannot restore into ${target}: ${host} ${what}`, {
    remedy: `Name the target as host/instance/database; instances there: ${all || "none"}`,
  });
}
