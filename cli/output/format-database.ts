import type { Database, Recoverability_Copy } from "../../proto/gen/dbctl/v1/databases_pb.ts";
import { isoOf } from "./format-job.ts";

/** A database and until when it can be recovered, as `--json` shows it. */
export function databaseDocument(database: Database) {
  const { name, host, instance, engine, version, size, labels, policy, recoverability } = database;
  const { until, ageSeconds = 0n, rpoSeconds = 0n } = recoverability ?? {};
  return {
    name,
    host,
    database: database.database,
    instance,
    engine,
    version,
    size: Number(size),
    labels,
    policy: policy === "" ? null : policy,
    first_seen: isoOf(database.firstSeenAt),
    last_seen: isoOf(database.lastSeenAt),
    recoverability: {
      until: isoOf(until),
      age_seconds: until === undefined ? null : Number(ageSeconds),
      rpo_seconds: rpoSeconds === 0n ? null : Number(rpoSeconds),
      // What a controller does not say is never taken for well.
      state: recoverability?.state || "unmanaged",
      level: recoverability?.level || "none",
      reason: recoverability?.reason ?? "",
      copies: (recoverability?.copies ?? []).map(copyDocument),
    },
  };
}

function copyDocument(copy: Recoverability_Copy) {
  const { repositoryUrl, backupId, until, good, verified } = copy;
  const newest = { backup: backupId || null, until: isoOf(until), verified };
  return { repository: repositoryUrl, good, ...newest };
}

/** `1 of 2`: the repositories with a good backup within the RPO. */
export function copiesText(copies: readonly { good: boolean }[]): string {
  if (copies.length === 0) return "-";
  return `${copies.filter(({ good }) => good).length} of ${copies.length}`;
}

export type DatabaseDocument = ReturnType<typeof databaseDocument>;
