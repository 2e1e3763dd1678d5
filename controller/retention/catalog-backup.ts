import type { RetainedBackup } from "../../core/retention/keep-backups.ts";
import type { Db, Row } from "../database/database.ts";

/** A backup of the catalog, as retention judges it: by what the controller learned of it, and when. */
export interface CatalogBackup extends RetainedBackup {
  committed: Date;
  /** host/database. */
  name: string;
  /** The server's own id, and the database's name there. */
  instanceId: string;
  databaseName: string;
  repositoryUrl: string;
  bytesStored: number;
  damaged: boolean;
}

interface Wanted {
  /** Of all when empty. */
  repositoryUrl?: string;
  /** host/database, with all databases of its servers; of all when empty. */
  database?: string;
}

/** Rows of one statement: others wait for the catalog meanwhile. */
const page = 2000;

/** All that were not deleted, the oldest first. */
export async function readCatalogBackups(db: Db, wanted: Wanted): Promise<CatalogBackup[]> {
  const { repositoryUrl = "", database = "" } = wanted;
  const found: CatalogBackup[] = [];
  for (let after = 0; ;) {
    const rows = await db.all(
      `select b.rowid as position, ${columns} from backups b left join jobs j on j.id = b.job_id
       where b.rowid > :after and b.deleted_at is null
         and (:repositoryUrl = '' or b.repository_url = :repositoryUrl)
         and (:database = '' or b.database = :database or (b.instance_id <> '' and b.instance_id in
           (select instance_id from backups where database = :database)))
       order by b.rowid limit ${page}`,
      { repositoryUrl, database, after },
    );
    for (const row of rows) found.push(backupOf(row));
    if (rows.length < page) break;
    after = Number(rows.at(-1)?.["position"]);
  }
  return found.toSorted((a, b) => +a.committed - +b.committed || (a.id < b.id ? -1 : 1));
}

/** How many backups were deleted since then, by the key of their database. */
export async function countDeleted(db: Db, since: Date): Promise<Map<string, number>> {
  const rows = await db.all(
    `select ${columns} from backups b left join jobs j on j.id = b.job_id
     where b.deleted_at > :since`,
    { since: since.toISOString() },
  );
  const groups = Map.groupBy(rows.map(backupOf), ({ database }) => database);
  return new Map([...groups].map(([database, { length }]) => [database, length]));
}

/** Ids of those that can still be had back, as far as is known. */
export async function listDeleted(db: Db, repositoryUrl: string): Promise<string[]> {
  const rows = await db.all(
    `select id from backups where repository_url = :repositoryUrl
       and deleted_at is not null and removed_at is null order by id`,
    { repositoryUrl },
  );
  return rows.map((row) => String(row["id"]));
}

const columns = `b.id, b.database, b.repository_url, b.state, b.committed_at, b.verified_at,
  b.damaged_at, b.hold, b.tags, b.instance_id,
  b.result ->> '$.bytesStored' as bytes_stored, j.spec ->> '$.backup.database' as database_name`;

function backupOf(row: Row): CatalogBackup {
  const name = String(row["database"]);
  const databaseName = String(row["database_name"] ?? name.slice(name.indexOf("/") + 1));
  const place = { repositoryUrl: String(row["repository_url"]), databaseName };
  const instanceId = String(row["instance_id"] ?? "");
  const damaged = row["damaged_at"] !== null;
  return {
    id: String(row["id"]),
    name,
    instanceId,
    ...place,
    database: keyOf({ ...place, instanceId, name }),
    // All that agents make today.
    kind: "logical",
    committed: new Date(String(row["committed_at"])),
    state: damaged ? "corrupted" : row["state"] === "complete" ? "complete" : "partial",
    verified: row["verified_at"] !== null,
    proved: false,
    tags: JSON.parse(String(row["tags"])) as string[],
    ...(row["hold"] === null ? {} : { hold: String(row["hold"]) }),
    bytesStored: Number(row["bytes_stored"] ?? 0),
    damaged,
  };
}

/**
 * A database in one repository: copies are judged on their own there. It is known by its server's own
 * id, so that a server keeps its history when its host is called otherwise.
 */
function keyOf(place: {
  repositoryUrl: string;
  instanceId: string;
  databaseName: string;
  name: string;
}): string {
  const { repositoryUrl, instanceId, databaseName, name } = place;
  return JSON.stringify([repositoryUrl, instanceId || name, instanceId && databaseName]);
}
