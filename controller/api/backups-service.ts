import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import { describeReason } from "../../core/retention/keep-reason.ts";
import type { Backup, BackupsService } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { listBackups, requireBackup } from "../catalog/read-backups.ts";
import type { Db } from "../database/database.ts";
import { decideRetention } from "../retention/decide-retention.ts";
import { readLimit } from "./request-limit.ts";

export function createBackupsService({
  db,
  now,
}: {
  db: Db;
  now: () => Date;
}): Implementation<typeof BackupsService, CallContext> {
  return {
    async listBackups({ database, limit, deleted }) {
      return { backups: await listBackups(db, { database, deleted, limit: readLimit(limit) }) };
    },
    async getBackup({ id }) {
      const backup = await requireBackup(db, id);
      const keptBecause = await whyKept(db, backup, now());
      return { backup: { ...backup, keptBecause } };
    },
  };
}

/** In words; nothing of one that is deleted, or that nothing keeps. */
async function whyKept(db: Db, { id, database }: Backup, now: Date): Promise<string[]> {
  const groups = await decideRetention(db, { database }, now);
  for (const { rules, decisions } of groups) {
    const found = decisions.find(({ backup }) => backup.id === id);
    if (found === undefined) continue;
    return rules.length === 0 ? ["no policy selects it"] : found.reasons.map(describeReason);
  }
  return [];
}
