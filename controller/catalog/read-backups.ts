import { create, fromJsonString } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DbctlError } from "../../core/errors.ts";
import { formatVerifyDepth } from "../../core/verify-depth.ts";
import { BackupSchema } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import type { Backup } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { BackupResultSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Db, Row } from "../database/database.ts";
import { verdictOf } from "./record-look.ts";

interface Wanted {
  /** Of all when empty. */
  database: string;
  /** Those that were deleted or removed, instead of the others. */
  deleted?: boolean;
  limit: number;
}

/** The newest first. */
export async function listBackups(
  db: Db,
  { database, deleted = false, limit }: Wanted,
): Promise<Backup[]> {
  const rows = await db.all(
    `select * from backups where (:database = '' or database = :database)
       and (deleted_at is not null) = :deleted
     order by committed_at desc, id desc limit :limit`,
    { database, limit, deleted: deleted ? 1 : 0 },
  );
  return rows.map(backupOf);
}

/** The backup, or an error that says there is none. */
export async function requireBackup(db: Db, id: string): Promise<Backup> {
  const row = await db.one("select * from backups where id = :id", { id });
  if (row !== undefined) return backupOf(row);
  throw new DbctlError(
    "backup-unknown",
    `Cannot find backup ${id}: the catalog has none of this id`,
    {
      remedy: "See `dbctl backups ls` for the ids",
    },
  );
}

function backupOf(row: Row): Backup {
  const result = fromJsonString(BackupResultSchema, String(row["result"]));
  const { engine, version, bytesRead, bytesStored, bytesNew, rows, tables } = result;
  const { instanceId, epoch, missing } = result;
  const { last, damage } = verdictOf(row);
  return create(BackupSchema, {
    engine,
    version,
    bytesRead,
    bytesStored,
    bytesNew,
    rows,
    tables,
    instanceId,
    epoch,
    missing,
    id: String(row["id"]),
    database: String(row["database"]),
    state: String(row["state"]),
    startedAt: timestampFromDate(new Date(String(row["started_at"]))),
    committedAt: timestampFromDate(new Date(String(row["committed_at"]))),
    repositoryUrl: String(row["repository_url"]),
    jobId: String(row["job_id"]),
    damaged: damage !== undefined,
    damages: [...(damage?.damages ?? [])],
    checkedDepth: last === undefined ? "" : formatVerifyDepth(last.depth),
    checkedBytes: BigInt(last?.bytes ?? 0),
    hold: String(row["hold"] ?? ""),
    tags: JSON.parse(String(row["tags"])) as string[],
    ...timesOf(row),
  });
}

/** The times that it has. */
function timesOf(row: Row) {
  const names = {
    verifiedAt: "verified_at",
    checkedAt: "checked_at",
    deletedAt: "deleted_at",
    undeleteUntil: "undelete_until",
    removedAt: "removed_at",
  } as const;
  const times = Object.entries(names).flatMap(([name, column]) => {
    const value = row[column];
    return value === null ? [] : [[name, timestampFromDate(new Date(String(value)))] as const];
  });
  return Object.fromEntries(times) as Partial<Pick<Backup, keyof typeof names>>;
}
