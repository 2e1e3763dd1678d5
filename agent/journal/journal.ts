import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type JobEvent,
  JobEvent_StartedSchema,
  JobEventSchema,
  type JobReference,
  JobReferenceSchema,
} from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { type JournalState, openJournalFile, rememberedJobs } from "./tables.ts";

/** What happened to a job, as the protocol's `JobEvent` has it. */
export type Happening = Exclude<JobEvent["event"], { case: undefined }>;

export interface JobOffer {
  jobId: string;
  kind: string;
  fencingToken: bigint;
}

/**
 * What this agent knows of its jobs, on disk: which it has seen, and what happened to them until
 * the controller has it. Survives the end of the process at any moment. One file, one process.
 */
export class Journal implements Disposable {
  readonly #db: DatabaseSync;
  readonly #now: () => Date;
  #changed = new AbortController();
  /** Up to here events were handed out; a progress after it may still be replaced. */
  #handedOut = 0n;

  constructor(path: string, { now }: { now: () => Date }) {
    this.#db = openJournalFile(path);
    this.#now = now;
  }

  /**
   * Whether an offered job is to be run; if so it is running from now on. A job that runs takes
   * over a higher token; one that has succeeded is not run again, its result is told again.
   */
  accept({ jobId, kind, fencingToken }: JobOffer): "run" | "known" {
    return this.#transaction(() => {
      const job = this.#get("select * from jobs where job_id = :jobId", { jobId });
      const known = BigInt((job?.["fencing_token"] as number | undefined) ?? -1);
      if (job !== undefined && fencingToken < known) return "known";
      const again = job?.["state"] === "failed" || job?.["state"] === "cancelled";
      if (job === undefined || (again && fencingToken > known)) {
        const values = { jobId, kind, fencingToken, at: this.#now().toISOString() };
        this.#run(
          `insert into jobs values (:jobId, :kind, :fencingToken, 'running', null, :at)
           on conflict do update set fencing_token = :fencingToken, state = 'running',
             result = null, changed_at = :at`,
          values,
        );
        this.#append(jobId, { case: "started", value: create(JobEvent_StartedSchema) });
        return "run";
      }
      const values = { jobId, fencingToken };
      this.#run("update jobs set fencing_token = :fencingToken where job_id = :jobId", values);
      const result = job["result"];
      if (result instanceof Uint8Array) this.#append(jobId, happeningOf(result));
      else if (fencingToken > known)
        this.#append(jobId, { case: "started", value: create(JobEvent_StartedSchema) });
      return "known";
    });
  }

  /** Writes down what happened to a running job, under its newest token. */
  append(jobId: string, happening: Happening): void {
    this.#transaction(() => this.#append(jobId, happening));
  }

  /** The next events after `sequence`, in order; what was handed out is not changed any more. */
  eventsAfter(sequence: bigint, limit = 100): JobEvent[] {
    const rows = this.#all(
      "select * from events where sequence > :sequence order by sequence limit :limit",
      { sequence, limit },
    );
    const events = rows.map((row) => {
      const event = fromBinary(JobEventSchema, row["event"] as Uint8Array);
      event.sequence = BigInt(row["sequence"] as number);
      return event;
    });
    const last = events.at(-1)?.sequence ?? 0n;
    if (last > this.#handedOut) this.#handedOut = last;
    return events;
  }

  /** Whether the controller has every event. */
  get isEmpty(): boolean {
    return this.#get("select 1 from events limit 1") === undefined;
  }

  /** Forgets the events that the controller has. */
  forget(upTo: bigint): void {
    this.#transaction(() => {
      this.#run("delete from events where sequence <= :upTo", { upTo });
      this.#run(
        `delete from jobs where state <> 'running' and job_id in
           (select job_id from jobs order by changed_at desc limit -1 offset :rememberedJobs)
         and job_id not in (select job_id from events)`,
        { rememberedJobs },
      );
    });
  }

  /**
   * A new link begins: the controller has every event up to `last`. A journal that is younger than
   * that (its file was lost) counts on from there, or its events would pass for known ones.
   */
  agree(last: bigint): void {
    this.#handedOut = last;
    const own = BigInt(this.#get("select last_sequence from counter")?.["last_sequence"] as number);
    if (last <= own) return this.forget(last);
    this.#transaction(() => {
      // Through negative numbers: a shift in place would meet numbers that are still taken.
      this.#run("update events set sequence = -(sequence + :last)", { last });
      this.#run("update events set sequence = -sequence");
      this.#run("update counter set last_sequence = last_sequence + :last", { last });
    });
  }

  /** The jobs that have not ended. */
  running(): JobReference[] {
    return this.#all("select * from jobs where state = 'running' order by job_id").map((row) =>
      create(JobReferenceSchema, {
        jobId: row["job_id"] as string,
        fencingToken: BigInt(row["fencing_token"] as number),
      }),
    );
  }

  /** Kind of a job that the journal knows. */
  kindOf(jobId: string): string | undefined {
    const row = this.#get("select kind from jobs where job_id = :jobId", { jobId });
    return row?.["kind"] as string | undefined;
  }

  /** Aborts when something is appended: for those who wait for events. */
  get changed(): AbortSignal {
    return this.#changed.signal;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #append(jobId: string, happening: Happening): void {
    const fencingToken = BigInt(
      this.#get("select fencing_token from jobs where job_id = :jobId", { jobId })?.[
        "fencing_token"
      ] as number,
    );
    const hostTime = timestampFromDate(this.#now());
    const message = create(JobEventSchema, { jobId, fencingToken, hostTime, event: happening });
    const event = toBinary(JobEventSchema, message);
    this.#end(jobId, happening, event);
    const isProgress = happening.case === "progress" ? 1 : 0;
    if (isProgress === 0 || !this.#replaceProgress(jobId, event)) {
      this.#run("update counter set last_sequence = last_sequence + 1");
      this.#run(
        `insert into events select last_sequence, :jobId, :isProgress, :event from counter`,
        { jobId, isProgress, event },
      );
    }
    const changed = this.#changed;
    this.#changed = new AbortController();
    changed.abort();
  }

  /** Keeps the journal small while the link is cut: only the newest progress of a job waits. */
  #replaceProgress(jobId: string, event: Uint8Array): boolean {
    const replaced = this.#run(
      `update events set event = :event where is_progress = 1 and sequence > :handedOut
         and sequence = (select max(sequence) from events where job_id = :jobId)`,
      { jobId, event, handedOut: this.#handedOut },
    );
    return replaced > 0;
  }

  #end(jobId: string, { case: name }: Happening, result: Uint8Array): void {
    if (name === "started" || name === "progress") return;
    const state: JournalState = name;
    const values = { jobId, state, result, at: this.#now().toISOString() };
    this.#run(
      "update jobs set state = :state, result = :result, changed_at = :at where job_id = :jobId",
      values,
    );
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec("begin immediate");
    try {
      const result = work();
      this.#db.exec("commit");
      return result;
    } catch (error) {
      this.#db.exec("rollback");
      throw error;
    }
  }

  #all(sql: string, values: Record<string, SQLInputValue> = {}) {
    return this.#db.prepare(sql).all(values);
  }

  #get(sql: string, values: Record<string, SQLInputValue> = {}) {
    return this.#db.prepare(sql).get(values);
  }

  #run(sql: string, values: Record<string, SQLInputValue> = {}): number {
    return Number(this.#db.prepare(sql).run(values).changes);
  }
}

function happeningOf(result: Uint8Array): Happening {
  const { event } = fromBinary(JobEventSchema, result);
  if (event.case === undefined) throw new TypeError("Cannot read a result of the journal");
  return event;
}
