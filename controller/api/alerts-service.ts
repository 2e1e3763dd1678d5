import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import type { AlertsService } from "../../proto/gen/dbctl/v1/alerts_pb.ts";
import { listAlerts } from "../alerts/list-alerts.ts";
import type { Db } from "../database/database.ts";
import { readLimit } from "./request-limit.ts";

export function createAlertsService({
  db,
}: {
  db: Db;
}): Implementation<typeof AlertsService, CallContext> {
  return {
    async listAlerts({ includeResolved, limit }) {
      const alerts = await listAlerts(db, { includeResolved, limit: readLimit(limit) });
      return {
        alerts: alerts.map(({ openedAt, resolvedAt, ...alert }) => ({
          ...alert,
          openedAt: timestampFromDate(openedAt),
          ...(resolvedAt === undefined ? {} : { resolvedAt: timestampFromDate(resolvedAt) }),
        })),
      };
    },
  };
}
