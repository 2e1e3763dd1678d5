import { setTimeout as sleep } from "node:timers/promises";

/** Pauses double from the first to the longest; of each a random part is waited (full jitter). */
const firstPauseMs = 10;
const longestPauseMs = 1_000;
const mostTries = 20;

/**
 * Runs again what met a deadlock and has changed nothing. Without pauses the same one of two could
 * lose again and again while the other is at work.
 */
export async function retryDeadlocks(
  run: () => Promise<void>,
  { isDeadlock, signal }: { isDeadlock: (error: unknown) => boolean; signal: AbortSignal },
): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      return await run();
    } catch (error) {
      if (!isDeadlock(error) || tries === mostTries) throw error;
      const most = Math.min(firstPauseMs * 2 ** tries, longestPauseMs);
      await sleep(Math.random() * most, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
}
