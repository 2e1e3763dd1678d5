import { DatabaseSync } from "node:sqlite";
import { DbctlError } from "../../core/errors.ts";

/** Where a job is, as this agent knows it. */
export const jobStates = ["running", "succeeded", "failed", "cancelled"] as const;
export type JournalState = (typeof jobStates)[number];

/** Ended jobs that are remembered, so that one that is sent again is not run again. */
export const rememberedJobs = 10_000;

const tables = `
  create table if not exists counter (
    id integer primary key check (id = 1),
    -- The last number that an event was given; numbers are never used twice.
    last_sequence integer not null
  ) strict;
  insert or ignore into counter values (1, 0);
  create table if not exists jobs (
    job_id text primary key,
    kind text not null,
    fencing_token integer not null,
    state text not null check (state in ('running', 'succeeded', 'failed', 'cancelled')),
    -- The event that ended it (JobEvent, protobuf), to be said again when somebody asks again.
    result blob,
    changed_at text not null
  ) strict;
  create table if not exists events (
    sequence integer primary key,
    job_id text not null,
    is_progress integer not null,
    -- JobEvent, protobuf, without its sequence.
    event blob not null
  ) strict;
  create index if not exists events_by_job on events (job_id, sequence);
`;

/** Opens the journal's file; every commit is on disk before it returns. */
export function openJournalFile(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { timeout: 0 });
    // Held until the process ends: two agents on one journal would run one job twice.
    db.exec(
      "pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full",
    );
    db.exec(`begin exclusive; ${tables} commit`);
    return db;
  } catch (cause) {
    const isBusy = (cause as { errcode?: number }).errcode === 5;
    const what = isBusy ? "another agent uses it" : (cause as Error).message;
    throw new DbctlError(isBusy ? "busy" : "system-failed", `Cannot open ${path}: ${what}`, {
      remedy: isBusy
        ? "Stop the other agent, or name another state folder"
        : "Check the folder's rights and disk; a damaged journal may be moved away",
      retryable: isBusy,
      cause,
    });
  }
}
