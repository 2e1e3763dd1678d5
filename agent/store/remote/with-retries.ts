import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../../core/errors.ts";
import { askedToWait } from "./remote-failure.ts";
import { type RetryPolicy, waitAfter } from "./retry-policy.ts";

/** A try in which no byte has moved for so long has failed. There is no least speed. */
const usualStallMs = 60_000;

/** What time and chance are; a test has its own. */
export interface RetryParts {
  /** From 0 to 1. */
  random: () => number;
  /** Milliseconds since some moment. */
  now: () => number;
  sleep: (ms: number, options: { signal: AbortSignal }) => Promise<void>;
}

export const realRetryParts: RetryParts = {
  random: Math.random,
  now: () => performance.now(),
  sleep: (ms, options) => sleep(ms, undefined, options),
};

export interface RetryOptions {
  /** For the sentence when a try stalls: `create a/b in s3://bucket`. */
  what: string;
  policy: RetryPolicy;
  parts: RetryParts;
  signal: AbortSignal;
  /** Where the store may think for longer than usual before it answers. */
  stallMs?: number;
}

/** One try. */
export interface Try {
  /** Counts from 1; back at 1 after `gained()`. */
  readonly number: number;
  /** Aborts when the caller's signal does, and when the try stalls. */
  readonly signal: AbortSignal;
  /** Bytes are moving. */
  moved(): void;
  /** Waits for what is ours to wait for, such as a cap on the rate: meanwhile nothing stalls. */
  pause<T>(wait: Promise<T>): Promise<T>;
  /** What was got is kept: if this try fails, it counts as the first one. */
  gained(): void;
}

/**
 * Runs `attempt` until it succeeds, fails for good, or the policy is used up; then throws the last
 * error. Rejects with the signal's reason at once, even while an attempt does not listen.
 */
export async function withRetries<T>(
  attempt: (turn: Try) => Promise<T>,
  { what, policy, parts, signal, stallMs = usualStallMs }: RetryOptions,
): Promise<T> {
  let began = parts.now();
  for (let number = 1; ; number++) {
    signal.throwIfAborted();
    const leftMs = began + policy.withinMs - parts.now();
    const turn = new Turn({
      what,
      number,
      signal,
      stallMs: Math.min(stallMs, Math.max(leftMs, 1)),
    });
    try {
      return await turn.race(attempt(turn));
    } catch (error) {
      signal.throwIfAborted();
      if (turn.hasGained) [number, began] = [1, parts.now()];
      const waitMs = Math.max(waitAfter(number, policy, parts.random()), askedToWait(error) ?? 0);
      const isLate = parts.now() + waitMs > began + policy.withinMs;
      if (!mayRetry(error) || number >= policy.tries || isLate) throw error;
      await parts.sleep(waitMs, { signal }).catch(() => {});
    } finally {
      turn.end();
    }
  }
}

function mayRetry(error: unknown): boolean {
  return error instanceof DbctlError && error.retryable;
}

class Turn implements Try {
  readonly number: number;
  readonly signal: AbortSignal;
  hasGained = false;
  readonly #stall = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #ended = Promise.withResolvers<never>();
  readonly #abort = () => this.#ended.reject(this.signal.reason);
  #pauses = 0;
  #isOver = false;

  constructor({ what, number, signal, stallMs: ms }: TurnOptions) {
    this.number = number;
    this.signal = AbortSignal.any([signal, this.#stall.signal]);
    this.#ended.promise.catch(() => {});
    this.signal.addEventListener("abort", this.#abort, { once: true });
    this.#timer = setTimeout(() => {
      if (this.#pauses > 0) this.#timer.refresh();
      else this.#stall.abort(stalled(what, ms));
    }, ms);
  }

  async race<T>(attempt: Promise<T>): Promise<T> {
    return await Promise.race([attempt, this.#ended.promise]);
  }

  moved(): void {
    if (!this.#isOver) this.#timer.refresh();
  }

  async pause<T>(wait: Promise<T>): Promise<T> {
    this.#pauses++;
    try {
      return await wait;
    } finally {
      this.#pauses--;
      this.moved();
    }
  }

  gained(): void {
    this.hasGained = true;
  }

  /** Whatever of the attempt still runs has nobody who waits for it. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.signal.removeEventListener("abort", this.#abort);
  }
}

interface TurnOptions {
  what: string;
  number: number;
  signal: AbortSignal;
  stallMs: number;
}

function stalled(what: string, ms: number): DbctlError {
  const message = `Cannot ${what}: no byte has moved for ${Math.ceil(ms / 1000)} s`;
  return new DbctlError("store-unreachable", message, {
    remedy: "Check the network and the store's own status, then try again",
    retryable: true,
  });
}
