import { availableParallelism } from "node:os";
import { DbctlError } from "../../core/errors.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { Secret } from "../../core/secret.ts";
import type { BackupSpec, JobSpec, RestoreSpec } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { startBackup } from "../backup/start-backup.ts";
import type { DatabaseAccess } from "../database-access.ts";
import { startRestore } from "../restore/start-restore.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { backupResult } from "./backup-result.ts";
import { type JobUpdate, PhaseProgress } from "./job-update.ts";
import { openGrantedBackup } from "./open-granted-backup.ts";
import { runVerify } from "./run-verify.ts";

export interface JobParts {
  /** The way to a database of a configured instance. */
  openDatabase: (instance: string, database: string) => Promise<DatabaseAccess>;
  openStore: (url: string) => Promise<ObjectStore>;
  /** The agent's own age identity: opens grants. */
  identity: Secret;
  stateDir: string;
  now: () => Date;
  tool: string;
}

interface Waiting {
  signal: AbortSignal;
}

/** Does what a command asks for, the way direct mode does it. The last update is the result. */
export async function* runJob(
  { kind: { case: name, value: spec } }: JobSpec,
  parts: JobParts,
  options: Waiting,
): AsyncGenerator<JobUpdate> {
  switch (name) {
    case "backup":
      return yield* runBackup(spec, parts, options);
    case "restore":
      return yield* runRestore(spec, parts, options);
    case "verify":
      return yield* runVerify(spec, parts, options);
    case undefined:
      throw new DbctlError("protocol-violated", "Cannot run the job: its kind is not known here", {
        remedy: "Bring the agent to the controller's version",
      });
    default:
      return unreachable(name);
  }
}

async function* runBackup(
  spec: BackupSpec,
  { openDatabase, openStore, stateDir, now, tool }: JobParts,
  { signal }: Waiting,
): AsyncGenerator<JobUpdate> {
  const { repositoryUrl: storeUrl, allowMissing, freshEpoch } = spec;
  const database = await openDatabase(spec.instance, spec.database);
  const events = startBackup(
    { database, store: await openStore(storeUrl), storeUrl, stateDir, now, tool },
    { jobs: lanes(spec.jobs), allowMissing, freshEpoch, signal },
  );
  const progress = new PhaseProgress();
  for await (const event of events) {
    switch (event.kind) {
      case "connected":
        yield progress.begin("opening a snapshot");
        break;
      case "snapshot-opened":
        yield progress.begin(`backing up ${event.tables} tables`, event.estimate);
        break;
      case "part-stored":
        yield progress.add(Number(event.sums.bytes));
        break;
      case "finished":
        yield { kind: "finished", result: backupResult(event) };
        break;
      default:
        unreachable(event);
    }
  }
}

async function* runRestore(
  spec: RestoreSpec,
  parts: JobParts,
  { signal }: Waiting,
): AsyncGenerator<JobUpdate> {
  const { backupId, repositoryUrl: storeUrl, create } = spec;
  const backup = await openGrantedBackup(spec, parts, { signal });
  const database = await parts.openDatabase(spec.instance, spec.database);
  const events = startRestore(
    { database, backup, storeUrl },
    // Whoever asks for the same restore again wants what the first attempt has left to be used.
    { create, resume: "may", jobs: lanes(spec.jobs), signal },
  );
  const progress = new PhaseProgress();
  let bytes = 0;
  for await (const event of events) {
    switch (event.kind) {
      case "checked":
        bytes = event.bytes;
        break;
      case "section-begun":
        yield progress.begin(`${event.section}: ${event.objects} objects`);
        break;
      case "loading-begun":
        yield progress.begin("loading", event.bytes);
        break;
      case "comparing-begun":
        yield progress.begin("comparing", bytes);
        break;
      case "part-loaded":
      case "part-compared":
        yield progress.add(event.bytes);
        break;
      case "finished": {
        const value = { backupId, rows: event.rows, tables: event.tables };
        yield { kind: "finished", result: { kind: { case: "restore", value } } };
        break;
      }
      default:
        unreachable(event);
    }
  }
}

/** More than this gained nothing where it was measured (docs/performance.md). */
const mostLanes = 4;
const laneLimit = 64;

/** Lanes that a command asks for; 0 lets the host decide. */
function lanes(asked: number): number {
  if (asked === 0) return Math.min(availableParallelism(), mostLanes);
  return Math.min(asked, laneLimit);
}
