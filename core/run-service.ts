import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "./errors.ts";

interface ServiceOptions {
  /** Wait between two steps that went well. */
  idleMs: number;
  /** The longest wait after failures; each failure in a row doubles it, from `idleMs` on. */
  maxDelayMs: number;
  onFailure: (error: DbctlError, after: { failures: number; delayMs: number }) => void;
  signal: AbortSignal;
}

/**
 * Repeats the step until the signal aborts, then resolves when the step under way has ended. A
 * failure is told, and followed by a wait of a random length between half and all of the delay.
 */
export async function runService(
  step: (signal: AbortSignal) => Promise<unknown>,
  { idleMs, maxDelayMs, onFailure, signal }: ServiceOptions,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let delayMs = idleMs;
    try {
      await step(signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures++;
      delayMs = backOffMs({ failures, baseMs: idleMs, maxMs: maxDelayMs });
      onFailure(DbctlError.from(error), { failures, delayMs });
    }
    await pause(delayMs, signal);
  }
}

/** How long to wait after so many failures in a row; `random` gives 0 to 1. */
export function backOffMs(
  { failures, baseMs, maxMs }: { failures: number; baseMs: number; maxMs: number },
  random: () => number = Math.random,
): number {
  const whole = Math.min(maxMs, Math.max(1, baseMs) * 2 ** Math.min(failures, 30));
  return Math.round(whole * (0.5 + random() / 2));
}

/** Waits; returns at once when the signal aborts. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
