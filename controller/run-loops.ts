import { errorFields, log } from "../core/log.ts";
import { pause, runService } from "../core/run-service.ts";
import { evaluateAlerts } from "./alerts/evaluate-alerts.ts";
import { tellAuditHead } from "./audit/tell-audit-head.ts";
import type { Bus } from "./bus/bus.ts";
import { forgetHistory } from "./catalog/forget-history.ts";
import type { Db } from "./database/database.ts";
import { defaultLeaseMs } from "./jobs/claim-next-job.ts";
import { failLostJobs, requeueLostJobs } from "./jobs/fail-lost-jobs.ts";
import { runNotifier } from "./notify/run-notifier.ts";
import { enqueueDueJobs } from "./schedule/enqueue-due-jobs.ts";

export interface LoopParts {
  db: Db;
  now: () => Date;
  bus: Bus;
  allowPrivateWebhooks: boolean;
  /** How long agents may be silent. */
  leaseMs?: number | undefined;
  /** For how long the rows of jobs and of removed backups are kept. */
  historyDays?: number | undefined;
}

/** All that a controller does by itself, until the signal aborts. */
export async function runLoops(parts: LoopParts, signal: AbortSignal): Promise<void> {
  const { db, now, leaseMs = defaultLeaseMs, historyDays } = parts;
  const service = (name: string, idleMs: number, step: () => Promise<unknown>) =>
    runService(step, {
      idleMs,
      maxDelayMs: Math.max(idleMs, 60_000),
      onFailure: (error, after) => log.error(`${name}-failed`, { ...errorFields(error), ...after }),
      signal,
    });
  const judgeSilence = async () => {
    await awaitAgents(db, { leaseMs, signal });
    await Promise.all([
      service("lost-jobs", 5_000, () => failLostJobs(db, now())),
      service("alerts", 10_000, () => evaluateAlerts(db, now())),
    ]);
  };
  await Promise.all([
    runNotifier(parts, signal),
    service("schedule", 5_000, () => enqueueDueJobs(db, now())),
    service("retries", 5_000, () => requeueLostJobs(db, now())),
    service("history", 3600_000, () => forgetHistory(db, { days: historyDays }, now())),
    service("audit-head", 3600_000, () => tellAuditHead(db, now())),
    judgeSilence(),
  ]);
}

/**
 * While a controller was down, all agents were silent to it: those that it knows get the time of a
 * lease to come back before their silence is held against them.
 */
async function awaitAgents(
  db: Db,
  { leaseMs, signal }: { leaseMs: number; signal: AbortSignal },
): Promise<void> {
  const known = await db.one("select 1 from agents where last_seen_at is not null limit 1");
  if (known !== undefined) await pause(leaseMs, signal);
}
