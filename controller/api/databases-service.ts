import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import type { DatabaseSchema, DatabasesService } from "../../proto/gen/dbctl/v1/databases_pb.ts";
import { readDatabase, readDatabases } from "../catalog/read-databases.ts";
import type { FleetDatabase } from "../catalog/read-databases.ts";
import { unknownDatabase } from "../catalog/unknown-database.ts";
import type { Db } from "../database/database.ts";
import { readSelector } from "../jobs/choose-targets.ts";
import { selects } from "../policies/selector.ts";
import { isCopyGood, recoverability } from "../recoverability/recoverability.ts";
import type { RecoverabilityState } from "../recoverability/recoverability.ts";

export function createDatabasesService({
  db,
  now,
}: {
  db: Db;
  now: () => Date;
}): Implementation<typeof DatabasesService, CallContext> {
  return {
    async listDatabases({ selector }) {
      const parsed = selector === "" ? undefined : readSelector(selector);
      const all = await readDatabases(db);
      const found = parsed === undefined ? all : all.filter((one) => selects(parsed, one));
      return { databases: worstFirst(found, now()).map((one) => databaseMessage(one, now())) };
    },
    async getDatabase({ name }) {
      const database = await readDatabase(db, name);
      if (database === undefined) throw await unknownDatabase(db, "show", name);
      return { database: databaseMessage(database, now()) };
    },
  };
}

/** Nobody may overlook what no policy selects: it comes before what is well. */
const badness: Record<RecoverabilityState, number> = {
  violated: 0,
  warning: 1,
  unmanaged: 2,
  ok: 3,
};

function worstFirst(databases: readonly FleetDatabase[], now: Date): FleetDatabase[] {
  return databases
    .map((database) => ({ database, ...recoverability(database.coverage, now) }))
    .toSorted((a, b) => badness[a.state] - badness[b.state] || b.ageSeconds - a.ageSeconds)
    .map(({ database }) => database);
}

function databaseMessage(
  database: FleetDatabase,
  now: Date,
): MessageInitShape<typeof DatabaseSchema> {
  const { name, host, instance, instanceId, engine, version, size, labels } = database;
  const { until, ageSeconds, state, level, reason } = recoverability(database.coverage, now);
  return {
    name,
    host,
    instance,
    instanceId,
    engine,
    version,
    labels,
    database: database.database,
    size: BigInt(size),
    policy: database.policy?.name ?? "",
    firstSeenAt: timestampFromDate(database.firstSeenAt),
    lastSeenAt: timestampFromDate(database.lastSeenAt),
    recoverability: {
      state,
      level,
      reason,
      ageSeconds: BigInt(ageSeconds),
      rpoSeconds: BigInt(database.policy?.rpoSeconds ?? 0),
      ...(until === undefined ? {} : { until: timestampFromDate(until) }),
      copies: copyMessages(database, now),
    },
  };
}

function copyMessages({ coverage: { copies = [], goal } }: FleetDatabase, now: Date) {
  return copies.map((copy) => {
    const { repositoryUrl, newest } = copy;
    const good = isCopyGood(copy, goal, now);
    if (newest === undefined) return { repositoryUrl, good };
    const { backup: backupId, at, verified } = newest;
    return { repositoryUrl, good, backupId, until: timestampFromDate(at), verified };
  });
}
