import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { unreachable } from "../../core/unreachable.ts";
import type { ErrorDetail } from "../../proto/gen/dbctl/v1/errors_pb.ts";
import type { Job, JobResult } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { formatBytes } from "./format.ts";

/** ISO 8601, or null for what has not happened. */
export function isoOf(time: Timestamp | undefined): string | null {
  return time === undefined ? null : timestampDate(time).toISOString();
}

/** Whether nothing happens to the job any more. */
export function hasEnded({ state }: Job): boolean {
  return ["succeeded", "failed", "cancelled", "lost"].includes(state?.kind.case ?? "");
}

/** A backup that was found to be damaged is no success of anybody. */
export function hasSucceeded(job: Job): boolean {
  return job.state?.kind.case === "succeeded" && errorOf(job) === undefined;
}

/** A job as `--json` shows it. */
export function jobDocument(job: Job): Record<string, unknown> {
  const { id, database, host, spec, attempt, createdAt, requestedBy, state } = job;
  const error = errorOf(job);
  const result = state?.kind.case === "succeeded" ? state.kind.value.result : undefined;
  return {
    job: id,
    kind: spec?.kind.case ?? null,
    database,
    host,
    repository: repositoryOf(job) || null,
    state: state?.kind.case ?? null,
    attempt,
    created: isoOf(createdAt),
    requested_by: requestedBy,
    ...(result === undefined ? {} : { result: resultDocument(result) }),
    ...(error === undefined ? {} : { error: errorDocument(error) }),
  };
}

/** Where it stores or reads; a database may have several jobs, one for each repository. */
export function repositoryOf({ spec }: Job): string {
  return spec?.kind.case === undefined ? "" : spec.kind.value.repositoryUrl;
}

/** Why the job has not succeeded, when it has ended. */
export function errorOf({
  state,
}: Job): Pick<ErrorDetail, "code" | "message" | "remedy"> | undefined {
  switch (state?.kind.case) {
    case "failed":
      return state.kind.value.error;
    case "lost":
      return {
        code: "controller-unreachable",
        message: `Cannot tell how the job ended: ${state.kind.value.reason}`,
        remedy: "Check the host and its agent; the policy decides whether it is tried again",
      };
    case "cancelled":
      return {
        code: "interrupted",
        message: `Cannot finish the job: ${state.kind.value.by} has cancelled it`,
        remedy: "Start it again when it is wanted",
      };
    case "succeeded":
      return damageOf(state.kind.value.result);
    case "queued":
    case "dispatched":
    case "running":
    case undefined:
      return undefined;
  }
}

function damageOf(result: JobResult | undefined) {
  if (result?.kind.case !== "verify" || result.kind.value.damages.length === 0) return undefined;
  const { backupId, damages } = result.kind.value;
  return {
    code: "repository-damaged",
    message: `Cannot trust backup ${backupId}: ${damages.join("; ")}`,
    remedy: "Restore another backup, or put the named objects back from a copy of the repository",
  };
}

function errorDocument({
  code,
  message,
  remedy,
}: Pick<ErrorDetail, "code" | "message" | "remedy">) {
  return { code, message, remedy };
}

function resultDocument({ kind }: JobResult): Record<string, unknown> {
  switch (kind.case) {
    case "backup": {
      const { backupId, state, bytesRead, bytesStored, bytesNew, rows, tables, missing } =
        kind.value;
      const bytes = {
        read: Number(bytesRead),
        stored: Number(bytesStored),
        new: Number(bytesNew),
      };
      return { backup: backupId, state, bytes, rows: Number(rows), tables, missing };
    }
    case "restore": {
      const { backupId, rows, tables } = kind.value;
      return { backup: backupId, rows: Number(rows), tables };
    }
    case "verify": {
      const { backupId, bytes, chunks, damages, depth, damagedTables, restorable } = kind.value;
      const figures = { bytes: Number(bytes), chunks: Number(chunks), damages };
      const looked = { depth: depth || "full", damaged_tables: damagedTables, restorable };
      return { backup: backupId, ...looked, ...figures };
    }
    case undefined:
      return {};
    default:
      return unreachable(kind);
  }
}

/** What a job is about now, in a few words. */
export function describeState(job: Job): string {
  const kind = job.state?.kind;
  switch (kind?.case) {
    case "queued":
      return job.attempt > 1 ? `waits for attempt ${job.attempt}` : "waits for its turn";
    case "dispatched":
      return "is on its way to the host";
    case "running": {
      const { phase = "running", bytesDone = 0n, bytesTotal = 0n } = kind.value.progress ?? {};
      if (bytesDone === 0n) return phase;
      const of = bytesTotal === 0n ? "" : ` of ~${formatBytes(Number(bytesTotal))}`;
      return `${phase}: ${formatBytes(Number(bytesDone))}${of}`;
    }
    case "succeeded":
      return describeResult(kind.value.result);
    case "failed":
    case "cancelled":
    case "lost":
      return errorOf(job)?.message ?? kind.case;
    case undefined:
      return "in a state that this dbctl does not know";
    default:
      return unreachable(kind);
  }
}

function describeResult(result: JobResult | undefined): string {
  switch (result?.kind.case) {
    case "backup": {
      const { backupId, state, bytesRead, bytesNew } = result.kind.value;
      const sizes = `${formatBytes(Number(bytesRead))} read, ${formatBytes(Number(bytesNew))} new`;
      return `backup ${backupId} is ${state}: ${sizes}`;
    }
    case "restore":
      return `backup ${result.kind.value.backupId} is restored: ${result.kind.value.rows} rows`;
    case "verify": {
      const { backupId, damages, depth } = result.kind.value;
      return damages.length === 0
        ? `backup ${backupId} is whole, as far as ${depth || "full"} looks`
        : `backup ${backupId} is damaged: ${damages.join("; ")}`;
    }
    case undefined:
      return "done";
  }
}

/** Every job that has not succeeded, those with one cause together, each cause with its remedy. */
export function failureLines(jobs: readonly Job[]): string[] {
  const groups = new Map<string, { remedy: string; lines: string[] }>();
  for (const job of jobs) {
    const error = errorOf(job);
    if (error === undefined) continue;
    const key = `${error.code} ${error.remedy}`;
    const group = groups.get(key) ?? { remedy: error.remedy, lines: [] };
    const where = repositoryOf(job) === "" ? "" : ` in ${repositoryOf(job)}`;
    group.lines.push(`  ${job.database}${where} (job ${job.id}): ${error.message}`);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ remedy, lines }) => [...lines, `    → ${remedy}`]);
}
