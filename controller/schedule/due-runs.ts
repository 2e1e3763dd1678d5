import { timingOf } from "../policies/policy.ts";
import type { Policy } from "../policies/policy.ts";
import { jitterOf, nextRun } from "./next-run.ts";

/** When the target runs next, jitter included. */
export function nextDue(policy: Policy, target: string, after: Date): Date {
  const jitter = jitterOf(target, policy.jitterSeconds);
  const planned = nextRun(timingOf(policy), new Date(after.getTime() - jitter));
  return new Date(planned.getTime() + jitter);
}

/**
 * The last run that is due in (since, now], jitter included; undefined when none is. However many were
 * missed, one is made.
 */
export function lastDue(
  policy: Policy,
  { target, since }: { target: string; since: Date },
  now: Date,
): Date | undefined {
  // Looking back by twice the longest interval is enough to meet the last run, whatever came before it.
  const back = now.getTime() - 2 * policy.intervalSeconds * 1000;
  let found: Date | undefined;
  let due = nextDue(policy, target, new Date(Math.max(since.getTime(), back)));
  while (due <= now) {
    found = due;
    due = nextDue(policy, target, due);
  }
  return found;
}
