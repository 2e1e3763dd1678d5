import { create, fromJsonString } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DbctlError } from "../../core/errors.ts";
import { BackupSchema } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import type { Backup } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { BackupResultSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Db, Row } from "../database/database.ts";

/** The newest first; of all databases when none is named. */
export async function listBackups(
  db: Db,
  { database, limit }: { database: string; limit: number },
): Promise<Backup[]> {
  const rows = await db.all(
    `select * from backups where :database = '' or database = :database
     order by committed_at desc, id desc limit :limit`,
    { database, limit },
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
  const verifiedAt = row["verified_at"];
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
    ...(verifiedAt === null ? {} : { verifiedAt: timestampFromDate(new Date(String(verifiedAt))) }),
    damaged: row["damaged_at"] !== null,
  });
}
