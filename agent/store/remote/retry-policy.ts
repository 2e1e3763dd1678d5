import { DbctlError } from "../../../core/errors.ts";
import { nearestName } from "../../../core/nearest-name.ts";

/** When a request that failed is tried again (REPO-14). Times in milliseconds. */
export interface RetryPolicy {
  tries: number;
  /** The longest wait before the second try; each further one may be `factor` times as long. */
  firstWaitMs: number;
  /** No wait is longer, except one that the store asks for. */
  mostWaitMs: number;
  factor: number;
  /** No try begins later than this after the first one began. */
  withinMs: number;
}

export const retryPolicies = {
  default: { tries: 5, firstWaitMs: 500, mostWaitMs: 30_000, factor: 2, withinMs: 300_000 },
  aggressive: { tries: 10, firstWaitMs: 1000, mostWaitMs: 60_000, factor: 1.5, withinMs: 900_000 },
  quick: { tries: 3, firstWaitMs: 100, mostWaitMs: 5000, factor: 2, withinMs: 30_000 },
} as const satisfies Record<string, RetryPolicy>;

/** The policy of a URL's `retries=`; undefined means the default. */
export function parseRetries(name: string | undefined): RetryPolicy {
  if (name === undefined) return retryPolicies.default;
  const known = Object.entries(retryPolicies).find(([one]) => one === name);
  if (known !== undefined) return known[1];
  const names = Object.keys(retryPolicies);
  const near = nearestName(name, names);
  throw new DbctlError("usage", `Cannot use retries=${name}: there is no such preset`, {
    remedy: near === undefined ? `Write one of ${names.join(", ")}` : `Did you mean ${near}?`,
  });
}

/**
 * How long to wait after the `failed`-th try (from 1), in milliseconds: anything up to a bound that
 * grows (full jitter), so that many clients do not come back at once. `random` is from 0 to 1.
 */
export function waitAfter(failed: number, policy: RetryPolicy, random: number): number {
  const { firstWaitMs, factor, mostWaitMs } = policy;
  return random * Math.min(mostWaitMs, firstWaitMs * factor ** (failed - 1));
}
