import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import type { BackupsService } from "../../proto/gen/dbctl/v1/backups_pb.ts";
import { listBackups, requireBackup } from "../catalog/read-backups.ts";
import type { Db } from "../database/database.ts";
import { readLimit } from "./request-limit.ts";

export function createBackupsService({
  db,
}: {
  db: Db;
}): Implementation<typeof BackupsService, CallContext> {
  return {
    async listBackups({ database, limit, deleted }) {
      return { backups: await listBackups(db, { database, deleted, limit: readLimit(limit) }) };
    },
    async getBackup({ id }) {
      return { backup: await requireBackup(db, id) };
    },
  };
}
