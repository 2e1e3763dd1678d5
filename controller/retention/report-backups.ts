import type { FoundBackup } from "../../proto/gen/dbctl/v1/retention_pb.ts";
import { newId } from "../../core/ids.ts";
import { recordEvent } from "../bus/outbox.ts";
import { recordLook } from "../catalog/record-look.ts";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Db, Row } from "../database/database.ts";

interface Report {
  repositoryUrl: string;
  backups: readonly FoundBackup[];
  /** Who looked. */
  actor: string;
}

/**
 * Takes over what was found in a repository: what is deleted counts no longer, what was undeleted
 * counts again. What is missing without having been removed is damaged. Times are the controller's.
 * Gives how many backups the catalog knew otherwise; those that it does not know are passed over.
 */
export function reportBackups(db: Db, report: Report, now: Date): Promise<number> {
  const { repositoryUrl, backups, actor } = report;
  return db.transaction(async (inner) => {
    let changed = 0;
    let deleted = 0;
    for (const found of backups) {
      const place = { id: found.backupId, repositoryUrl };
      const row = await inner.one(
        "select * from backups where id = :id and repository_url = :repositoryUrl",
        place,
      );
      if (row === undefined) continue;
      const news = await take(inner, { found, row }, now);
      if (news !== "nothing") changed += 1;
      if (news === "deleted") deleted += 1;
    }
    if (deleted > 0) await tell(inner, { repositoryUrl, deleted, actor }, now);
    return changed;
  });
}

type News = "nothing" | "deleted" | "changed";

async function take(
  db: Db,
  { found, row }: { found: FoundBackup; row: Row },
  now: Date,
): Promise<News> {
  const id = found.backupId;
  // What was removed does not come back; another backup of the same id is not this one.
  if (row["removed_at"] !== null) return "nothing";
  const { state } = found;
  if (state.case === undefined) return "nothing";
  if (state.case === "missing") {
    if (row["damaged_at"] !== null) return "nothing";
    const damages = ["manifest: it is not in the repository, and nobody removed it"];
    await recordLook(db, id, { at: now, depth: { kind: "quick" }, bytes: 0, damages });
    return "changed";
  }
  const until = state.case === "deleted" ? state.value.undeleteUntil : undefined;
  const gone = state.case !== "there";
  const next = {
    deleted_at: gone ? (row["deleted_at"] ?? now.toISOString()) : null,
    undelete_until: until === undefined ? null : timestampDate(until).toISOString(),
    removed_at: state.case === "removed" ? now.toISOString() : null,
    hold: found.hold || null,
    tags: JSON.stringify(found.tags),
  };
  const same = Object.entries(next).every(([column, value]) => row[column] === value);
  if (same) return "nothing";
  await db.run(
    `update backups set deleted_at = :deleted_at, undelete_until = :undelete_until,
       removed_at = :removed_at, hold = :hold, tags = :tags where id = :id`,
    { id, ...next },
  );
  return gone && row["deleted_at"] === null ? "deleted" : "changed";
}

async function tell(
  db: Db,
  { repositoryUrl, deleted, actor }: { repositoryUrl: string; deleted: number; actor: string },
  now: Date,
): Promise<void> {
  const message = `${deleted} backups in ${repositoryUrl} were deleted, reports ${actor}`;
  const place = { host: "", instance: "", database: "" };
  const details = { repository: repositoryUrl, deleted, actor };
  const common = { kind: "event", severity: "info", ...place, message, details } as const;
  await recordEvent(db, { id: newId(now.getTime()), type: "backups_deleted", ...common }, now);
}
