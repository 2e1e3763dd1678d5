import { DbctlError, exitCodes } from "../../core/errors.ts";
import type { Client } from "../../core/grpc/method-shapes.ts";
import type { CallOptions } from "../../core/grpc/client.ts";
import { pause } from "../../core/run-service.ts";
import type { Job, JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import {
  describeState,
  failureLines,
  hasSucceeded,
  jobDocument,
  repositoryOf,
} from "../output/format-job.ts";
import { formatTable } from "../output/format.ts";
import { JobBoard } from "../output/job-board.ts";
import { printResult } from "../output/print-result.ts";

export type JobsClient = Client<typeof JobsService, CallOptions>;

const retryMs = 1_000;
const maxRetries = 60;

interface WaitOptions {
  json: boolean;
  signal: AbortSignal;
}

/**
 * Shows the jobs until all have ended, then prints them. Exit code 1 when any has not succeeded; 65
 * when they have, and only found damage.
 */
export async function waitForJobs(
  client: JobsClient,
  jobs: readonly Job[],
  { json, signal }: WaitOptions,
): Promise<void> {
  const ended = await follow(client, jobs, signal);
  const failed = ended.filter((job) => !hasSucceeded(job));
  const well = ended.length - failed.length;
  const lines = [
    ...ended
      .filter(hasSucceeded)
      .map((job) => `${job.database} in ${repositoryOf(job)}: ${describeState(job)}`),
    `${well} of ${ended.length} succeeded.`,
    ...failureLines(failed),
  ];
  await printResult({ jobs: ended.map(jobDocument) }, { json, lines });
  if (failed.length === 0) return;
  const onlyDamage = failed.every(({ state }) => state?.kind.case === "succeeded");
  process.exitCode = exitCodes[onlyDamage ? "repository-damaged" : "failed"];
}

/** A controller that restarts is waited for: the jobs go on without it. */
async function follow(
  client: JobsClient,
  jobs: readonly Job[],
  signal: AbortSignal,
): Promise<Job[]> {
  const known = new Map(jobs.map((job) => [job.id, job]));
  using board = new JobBoard();
  for (let retries = 0; ; retries++) {
    try {
      const ids = [...known.keys()];
      for await (const { job } of client.watchJobs({ ids }, { signal })) {
        if (job === undefined) continue;
        known.set(job.id, job);
        board.update(job);
        retries = 0;
      }
      // The controller ends the stream when nothing more will happen to any of them.
      return [...known.values()];
    } catch (error) {
      if (signal.aborted) board.say("The jobs go on: see dbctl jobs ls, or dbctl jobs cancel");
      signal.throwIfAborted();
      if (!(error instanceof DbctlError) || !error.retryable || retries >= maxRetries) throw error;
    }
    board.say("The controller does not answer; the jobs go on without it");
    await pause(retryMs, signal);
  }
}

/** Prints jobs that were put into the queue, or found there. */
export async function printJobs(jobs: readonly Job[], { json }: { json: boolean }): Promise<void> {
  const rows = jobs.map((job) => [
    job.id,
    job.spec?.kind.case ?? "?",
    job.database,
    job.state?.kind.case ?? "?",
    String(job.attempt),
    repositoryOf(job),
    describeState(job),
  ]);
  const head = ["JOB", "KIND", "DATABASE", "STATE", "ATTEMPT", "REPOSITORY", ""];
  const lines = rows.length === 0 ? ["No jobs."] : formatTable([head, ...rows]);
  await printResult({ jobs: jobs.map(jobDocument) }, { json, lines });
}
