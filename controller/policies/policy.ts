import { defaultRule } from "../../core/retention/retention-rule.ts";
import type { RetentionRule } from "../../core/retention/retention-rule.ts";
import { severities } from "../bus/fleet-event.ts";
import type { Severity } from "../bus/fleet-event.ts";
import { parseCron } from "../schedule/cron.ts";
import type { Timing } from "../schedule/next-run.ts";
import { parseSelector } from "./selector.ts";
import type { Selector } from "./selector.ts";

/** What is wanted for the databases that the selector names. Stored as JSON as it is. */
export interface Policy {
  name: string;
  selector: string;
  /** Five cron fields, or hourly, daily, weekly, monthly. */
  schedule: string;
  timeZone: string;
  rpoSeconds: number;
  retention: RetentionRule;
  /** At least one; each run makes a backup in each of them. */
  repositoryUrls: string[];
  jobs: number;
  allowMissing: boolean;
  retries: number;
  retryDelaySeconds: number;
  webhooks: Webhook[];
  /** Computed from the schedule: its longest interval, and the bound of the jitter. */
  intervalSeconds: number;
  jitterSeconds: number;
  /** The line of each value that the file gives, by its key there: `retry.times`. */
  lines: Record<string, number>;
}

export interface Webhook {
  url: string;
  minSeverity: Severity;
  /** File of the signing secret at the controller; empty for none. */
  secretFile: string;
}

/** What holds where the file says nothing (FLEET-11, RPO-03, CAT-06). */
export const defaults = {
  timeZone: "UTC",
  rpoSeconds: 26 * 3600,
  retention: defaultRule,
  jobs: 4,
  allowMissing: false,
  retries: 2,
  retryDelaySeconds: 300,
  minSeverity: "info",
} as const satisfies Partial<Policy> & { minSeverity: Severity };

/** Seconds by which the newest backup gets old by plan, when backups take as long as they do. */
export function plannedSeconds(policy: Policy, typicalSeconds: number): number {
  return policy.intervalSeconds + typicalSeconds + policy.jitterSeconds;
}

export function timingOf({ schedule, timeZone }: Policy): Timing {
  return { cron: parseCron(schedule), timeZone };
}

export function selectorOf({ selector }: Policy): Selector {
  return parseSelector(selector);
}

export function isSeverity(text: string): text is Severity {
  return severities.some((severity) => severity === text);
}
