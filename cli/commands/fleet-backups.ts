import { DbctlError } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import { type Backup, BackupsService } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { openController } from "../controller-client.ts";
import { isoOf } from "../output/format-job.ts";
import { formatBytes, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";

interface Options {
  json: boolean;
  signal: AbortSignal;
}

/** What the catalog shows at once. */
const limit = 1000;

/** Lists what the catalog knows, the oldest first, as a repository's list does. */
export async function listFleetBackups({ json, signal }: Options): Promise<void> {
  using channel = await openController();
  const client = createClient(BackupsService, channel);
  const { backups } = await client.listBackups({ limit }, { signal });
  const oldestFirst = backups.toReversed();
  const head = ["BACKUP", "DATABASE", "ENGINE", "STATE", "READ", "NEW", "STORED", "VERIFIED"];
  const rows = oldestFirst.map((backup) => [
    backup.id,
    backup.database,
    `${backup.engine} ${backup.version}`,
    backup.damaged ? "damaged" : backup.state,
    ...[backup.bytesRead, backup.bytesNew, backup.bytesStored].map((n) => formatBytes(Number(n))),
    isoOf(backup.verifiedAt) ?? "never",
  ]);
  const lines = rows.length === 0 ? ["No backups yet."] : formatTable([head, ...rows]);
  if (backups.length === limit) lines.push(`Only the newest ${limit} are shown.`);
  await printResult({ backups: oldestFirst.map(backupDocument) }, { json, lines });
}

/** Shows one backup as the catalog knows it; what is in it, only its key can show. */
export async function showFleetBackup(id: string, { json, signal }: Options): Promise<void> {
  using channel = await openController();
  const client = createClient(BackupsService, channel);
  const { backup } = await client.getBackup({ id }, { signal });
  if (backup === undefined)
    throw new DbctlError("protocol-violated", "Cannot show the backup: the answer holds none", {
      remedy: "Bring dbctl and the controller to one version",
    });
  const { database, engine, version, state, rows, tables, missing } = backup;
  const lines = [
    `Backup ${backup.id} of ${database} (${engine} ${version}) is ${backup.damaged ? "damaged" : state}.`,
    `Committed ${isoOf(backup.committedAt) ?? "?"}, verified ${isoOf(backup.verifiedAt) ?? "never"}`,
    `${tables} tables, ${rows} rows, ${formatBytes(Number(backup.bytesRead))} read, ` +
      `${formatBytes(Number(backup.bytesNew))} of it new`,
    `Repository: ${backup.repositoryUrl}`,
    ...missing.map((what) => `Missing: ${what}`),
  ];
  await printResult(backupDocument(backup), { json, lines });
}

function backupDocument(backup: Backup) {
  const { id, database, engine, version, state, damaged, rows, tables, missing, jobId } = backup;
  return {
    backup: id,
    database,
    engine,
    version,
    state,
    damaged,
    started: isoOf(backup.startedAt),
    committed: isoOf(backup.committedAt),
    verified: isoOf(backup.verifiedAt),
    bytes: {
      read: Number(backup.bytesRead),
      stored: Number(backup.bytesStored),
      new: Number(backup.bytesNew),
    },
    rows: Number(rows),
    tables,
    missing,
    repository: backup.repositoryUrl,
    instance: backup.instanceId,
    epoch: backup.epoch,
    job: jobId,
  };
}
