import { create } from "@bufbuild/protobuf";
import { DbctlError } from "../../core/errors.ts";
import { errorFields, log } from "../../core/log.ts";
import {
  JobEvent_StoppedSchema,
  type RunJob,
  type StopJob,
} from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { ErrorDetailSchema } from "../../proto/gen/dbctl/v1/errors_pb.ts";
import {
  JobProgressSchema,
  JobResultSchema,
  type JobSpec,
  JobSpecSchema,
} from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { Happening, Journal } from "../journal/journal.ts";
import type { JobUpdate } from "./job-update.ts";

interface RunnerParts {
  journal: Journal;
  run: (spec: JobSpec, options: { signal: AbortSignal }) => AsyncIterable<JobUpdate>;
  /** Milliseconds of a clock that never goes back. */
  clock?: () => number;
}

/** Between two progress events of one job. */
const progressMs = 1_000;

/** Runs the commands of the controller, each once, and writes into the journal what becomes of it. */
export class JobRunner {
  readonly #journal: Journal;
  readonly #run: RunnerParts["run"];
  readonly #clock: () => number;
  readonly #running = new Map<string, { stop: AbortController; ended: Promise<void> }>();
  #draining = false;

  constructor({ journal, run, clock = () => performance.now() }: RunnerParts) {
    this.#journal = journal;
    this.#run = run;
    this.#clock = clock;
  }

  /** After a start: what ran when the process ended has failed, and is told so. */
  failInterrupted(): void {
    for (const { jobId } of this.#journal.running()) {
      const kind = this.#journal.kindOf(jobId) ?? "job";
      this.#journal.append(jobId, { case: "failed", value: failureOf(interrupted(kind)) });
    }
  }

  /** Begins the job, unless it is known already. */
  offer({ jobId, fencingToken, spec = create(JobSpecSchema) }: RunJob): void {
    if (this.#draining) return;
    const kind = spec.kind.case ?? "unknown";
    if (this.#journal.accept({ jobId, fencingToken, kind }) === "known") return;
    log.info("job-started", { job: jobId, kind });
    const stop = new AbortController();
    const ended = this.#work(jobId, spec, stop.signal).finally(() => this.#running.delete(jobId));
    this.#running.set(jobId, { stop, ended });
  }

  /** Ends the job soon. One that was never seen here is known as cancelled from now on. */
  stop({ jobId, fencingToken }: StopJob): void {
    const running = this.#running.get(jobId);
    if (running !== undefined) {
      // An order that is older than the attempt was meant for another one.
      if (fencingToken >= this.#tokenOf(jobId)) running.stop.abort(cancelled(jobId));
      return;
    }
    if (this.#journal.kindOf(jobId) !== undefined) return;
    this.#journal.accept({ jobId, fencingToken, kind: "unknown" });
    this.#journal.append(jobId, stoppedHappening());
  }

  #tokenOf(jobId: string): bigint {
    return this.#journal.running().find((job) => job.jobId === jobId)?.fencingToken ?? 0n;
  }

  /** Takes no more jobs, lets those under way end for so long, and then ends them. */
  async drain({ limitMs }: { limitMs: number }): Promise<void> {
    this.#draining = true;
    const all = () => Promise.all([...this.#running.values()].map(({ ended }) => ended));
    const timer = setTimeout(() => {
      for (const { stop } of this.#running.values()) stop.abort(shutDown());
    }, limitMs);
    await all();
    clearTimeout(timer);
  }

  async #work(jobId: string, spec: JobSpec, signal: AbortSignal): Promise<void> {
    let happening: Happening;
    try {
      happening = await this.#follow(jobId, this.#run(spec, { signal }));
    } catch (error) {
      const { reason } = signal;
      const isCancelled = signal.aborted && reason instanceof Cancellation;
      const isMore = saysMore(error, reason);
      const failure = signal.aborted && !isMore ? reason : error;
      if (!isCancelled) log.error("job-failed", { job: jobId, ...errorFields(failure) });
      // A cancelled job that has left something behind has failed: a person must know.
      happening =
        isCancelled && !isMore ? stoppedHappening() : { case: "failed", value: failureOf(failure) };
    }
    this.#journal.append(jobId, happening);
    log.info("job-ended", { job: jobId, state: happening.case });
  }

  async #follow(jobId: string, updates: AsyncIterable<JobUpdate>): Promise<Happening> {
    let toldAt = -Infinity;
    let result: Happening | undefined;
    for await (const update of updates) {
      if (update.kind === "finished") {
        result = { case: "succeeded", value: create(JobResultSchema, update.result) };
      } else if (this.#clock() - toldAt >= progressMs) {
        toldAt = this.#clock();
        const value = create(JobProgressSchema, update.progress);
        this.#journal.append(jobId, { case: "progress", value });
      }
    }
    if (result === undefined) throw new Error("the job ended without a result");
    return result;
  }
}

/** Of all that fails when a job is ended, only what it has left behind is news. */
function saysMore(error: unknown, reason: unknown): boolean {
  if (error instanceof AggregateError) return true;
  return error instanceof DbctlError && reason !== undefined && error.cause === reason;
}

/** Why a job was ended: somebody wanted it. */
class Cancellation extends DbctlError {}

function cancelled(jobId: string): DbctlError {
  const remedy = "Start it again when it is wanted";
  return new Cancellation("interrupted", `Cannot finish job ${jobId}: it was cancelled`, {
    remedy,
  });
}

function shutDown(): DbctlError {
  return new DbctlError("interrupted", "Cannot finish the job: the agent was stopped", {
    remedy: "It is run again when the agent is back, if its policy says so",
    retryable: true,
  });
}

function interrupted(kind: string): DbctlError {
  const remedies: Record<string, string> = {
    backup: "Chunks that were stored are not stored again by the next backup",
    restore: "Restore the same backup into the same database again: it goes on where it was",
  };
  return new DbctlError(
    "interrupted",
    `Cannot finish the ${kind}: the agent's process ended while it ran`,
    { remedy: remedies[kind] ?? "Start it again", retryable: true },
  );
}

function stoppedHappening(): Happening {
  return { case: "cancelled", value: create(JobEvent_StoppedSchema) };
}

/** Several errors (a restore and its undoing) are told as one. */
function failureOf(reason: unknown) {
  const all: unknown[] = reason instanceof AggregateError ? reason.errors : [reason];
  const errors = all.map((one) => DbctlError.from(one));
  const [first = DbctlError.from(reason)] = errors;
  return create(ErrorDetailSchema, {
    code: first.code,
    message: errors.map(({ message }) => message).join("; "),
    remedy: errors.map(({ remedy }) => remedy).join("; "),
    retryable: errors.every(({ retryable }) => retryable),
  });
}
