import { timestampDate } from "@bufbuild/protobuf/wkt";
import { newId } from "../../core/ids.ts";
import type { BackupResult, VerifyResult } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { FleetEvent, Severity } from "../bus/fleet-event.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";
import type { JobRecord } from "./job-record.ts";

/** What people and machines are told of a job. */
export type Happening =
  | { outcome: "started" }
  | { outcome: "failed"; error: string; retried: boolean }
  | { outcome: "backed-up"; result: BackupResult; durationSeconds: number }
  | { outcome: "restored" }
  | { outcome: "verified"; result: VerifyResult };

/** Writes the event of what happened to a job; call it in the transaction of the change. */
export async function tellJob(
  db: Db,
  { record, happening }: { record: JobRecord; happening: Happening },
  now: Date,
): Promise<void> {
  const { job, spec, policy } = record;
  const kind = spec.kind.case ?? "backup";
  const story = storyOf(kind, happening, job.database);
  if (story === undefined) return;
  const { type, severity, message, details } = story;
  const common = { job: job.id, attempt: job.attempt, policy, requested_by: job.requestedBy };
  const event: FleetEvent = {
    id: newId(now.getTime()),
    type,
    kind: "event",
    severity,
    ...placeOf(record),
    message,
    details: { ...common, ...details },
  };
  await recordEvent(db, event, now);
}

/** A verification has no instance: it looks at the store. */
function placeOf({ job, spec }: JobRecord): Pick<FleetEvent, "host" | "instance" | "database"> {
  const { host } = job;
  if (spec.kind.case !== "backup" && spec.kind.case !== "restore")
    return { host, instance: "", database: job.database.split("/").slice(1).join("/") };
  const { instance, database } = spec.kind.value;
  return { host, instance, database };
}

interface Story {
  type: string;
  severity: Severity;
  message: string;
  details?: FleetEvent["details"];
}

function storyOf(
  kind: "backup" | "restore" | "verify",
  happening: Happening,
  name: string,
): Story | undefined {
  switch (happening.outcome) {
    case "started":
      if (kind === "verify") return undefined;
      return {
        type: `${kind}_started`,
        severity: "info",
        message: `${capital(kind)} of ${name} started`,
      };
    case "failed": {
      const { error, retried } = happening;
      const message = `${capital(kind)} of ${name} failed: ${error}`;
      const severity = retried ? "warning" : "error";
      return { type: `${kind}_failed`, severity, message, details: { error, retried } };
    }
    case "backed-up":
      return backupStory(happening, name);
    case "restored":
      return {
        type: "restore_completed",
        severity: "success",
        message: `Restore into ${name} completed`,
      };
    case "verified":
      return verifyStory(happening.result, name);
  }
}

function backupStory(
  { result, durationSeconds }: { result: BackupResult; durationSeconds: number },
  name: string,
): Story {
  const partial = result.state !== "complete";
  const { hostStartedAt } = result;
  return {
    type: partial ? "backup_partial" : "backup_completed",
    severity: partial ? "warning" : "success",
    message: partial
      ? `Backup of ${name} is partial: ${result.missing.length} objects are missing`
      : `Backup of ${name} completed`,
    details: {
      backup: result.backupId,
      backup_size: Number(result.bytesStored),
      duration_seconds: durationSeconds,
      engine: result.engine,
      host_started_at: hostStartedAt ? timestampDate(hostStartedAt).toISOString() : null,
    },
  };
}

function verifyStory(result: VerifyResult, name: string): Story {
  const depth = result.depth || "full";
  const details = { backup: result.backupId, damages: result.damages.length, depth };
  if (result.damages.length === 0)
    return {
      type: "verification_passed",
      severity: "success",
      message: `Backup ${result.backupId} of ${name} is whole, as far as ${depth} looks`,
      details,
    };
  return {
    type: "verification_failed",
    severity: "critical",
    message: `Backup ${result.backupId} of ${name} is damaged: ${result.damages[0] ?? ""}`,
    details,
  };
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
