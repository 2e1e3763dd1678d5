import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { FinishedBackup } from "../backup/back-up-database.ts";
import type { ResultInit } from "./job-update.ts";

/** A backup that was committed, as the catalog keeps it. */
export function backupResult({ header, missing, rows, tables }: FinishedBackup): ResultInit {
  const { id, state, sizes, instance, epoch, source, started, finished } = header;
  const value = {
    backupId: id,
    state,
    bytesRead: BigInt(sizes.read),
    bytesStored: BigInt(sizes.stored),
    bytesNew: BigInt(sizes.new),
    rows,
    tables,
    instanceId: instance,
    epoch,
    engine: source.engine,
    version: source.version,
    missing: missing.map(({ kind, name }) => `${kind} ${name}`),
    hostStartedAt: timestampFromDate(new Date(started)),
    hostFinishedAt: timestampFromDate(new Date(finished)),
  };
  return { kind: { case: "backup", value } };
}
