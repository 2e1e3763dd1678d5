import { createClient } from "../../core/grpc/client.ts";
import { type Backup, BackupsService } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { openController } from "../controller-client.ts";
import { readFleetBackup } from "../direct/grant-key.ts";
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
export async function listFleetBackups({
  deleted,
  json,
  signal,
}: Options & { deleted: boolean }): Promise<void> {
  using channel = await openController();
  const client = createClient(BackupsService, channel);
  const { backups } = await client.listBackups({ limit, deleted }, { signal });
  const oldestFirst = backups.toReversed();
  const head = ["BACKUP", "DATABASE", "ENGINE", "STATE", "READ", "NEW", "STORED", "VERIFIED"];
  const rows = oldestFirst.map((backup) => [
    backup.id,
    backup.database,
    `${backup.engine} ${backup.version}`,
    describeState(backup),
    ...[backup.bytesRead, backup.bytesNew, backup.bytesStored].map((n) => formatBytes(Number(n))),
    isoOf(backup.verifiedAt) ?? checkedText(backup) ?? "never",
    backup.repositoryUrl,
  ]);
  const none = deleted ? "No deleted backups." : "No backups yet.";
  const lines = rows.length === 0 ? [none] : formatTable([[...head, "REPOSITORY"], ...rows]);
  if (backups.length === limit) lines.push(`Only the newest ${limit} are shown.`);
  await printResult({ backups: oldestFirst.map(backupDocument) }, { json, lines });
}

/** Shows one backup as the catalog knows it; what is in it, only its key can show. */
export async function showFleetBackup(name: string, { json, signal }: Options): Promise<void> {
  using channel = await openController();
  const backup = await readFleetBackup(channel, name, { signal });
  const document = { ...backupDocument(backup), kept_because: backup.keptBecause };
  await printResult(document, { json, lines: backupLines(backup) });
}

function backupLines(backup: Backup): string[] {
  const { database, engine, version, rows, tables, missing, damages, hold, tags } = backup;
  const looked = checkedText(backup);
  const reasons = backup.keptBecause.length === 0 ? ["nothing"] : backup.keptBecause;
  return [
    `Backup ${backup.id} of ${database} (${engine} ${version}) is ${describeState(backup)}.`,
    `Committed ${isoOf(backup.committedAt) ?? "?"}, verified ${isoOf(backup.verifiedAt) ?? "never"}` +
      (looked === undefined ? "" : `; last look: ${looked}`),
    `${tables} tables, ${rows} rows, ${formatBytes(Number(backup.bytesRead))} read, ` +
      `${formatBytes(Number(backup.bytesNew))} of it new`,
    `Repository: ${backup.repositoryUrl}`,
    ...(hold === "" ? [] : [`Held: ${hold}`]),
    ...(tags.length === 0 ? [] : [`Tags: ${tags.join(", ")}`]),
    ...(backup.deletedAt === undefined ? [`Kept by retention: ${reasons.join("; ")}`] : []),
    ...damages.map((what) => `Damaged: ${what}`),
    ...missing.map((what) => `Missing: ${what}`),
  ];
}

/** Deleted and damaged are worse news than partial. */
function describeState(backup: Backup): string {
  const { removedAt, deletedAt, undeleteUntil, damaged, state } = backup;
  if (removedAt !== undefined) return `removed ${isoOf(removedAt)}`;
  if (deletedAt !== undefined) return `deleted (undelete until ${isoOf(undeleteUntil) ?? "?"})`;
  return damaged ? "damaged" : state;
}

function checkedText({ checkedAt, checkedDepth }: Backup): string | undefined {
  return checkedAt === undefined ? undefined : `${checkedDepth} ${isoOf(checkedAt)}`;
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
    damages: backup.damages,
    started: isoOf(backup.startedAt),
    committed: isoOf(backup.committedAt),
    verified: isoOf(backup.verifiedAt),
    checked:
      backup.checkedAt === undefined
        ? null
        : {
            at: isoOf(backup.checkedAt),
            depth: backup.checkedDepth,
            bytes: Number(backup.checkedBytes),
          },
    deleted: isoOf(backup.deletedAt),
    undelete_until: isoOf(backup.undeleteUntil),
    removed: isoOf(backup.removedAt),
    held: backup.hold || null,
    tags: backup.tags,
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
