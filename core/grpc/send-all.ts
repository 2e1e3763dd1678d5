import { once } from "node:events";
import type { Writable } from "node:stream";

interface Sending {
  to: Writable;
  /** Makes a message of what the source gives. */
  make: (init: unknown) => unknown;
  signal: AbortSignal;
}

/**
 * Writes all of a source to a stream of messages, no faster than it takes them. Rejects with the
 * signal's reason as soon as it aborts, even while the source keeps silent.
 */
export async function sendAll(
  source: AsyncIterable<unknown>,
  { to, make, signal }: Sending,
): Promise<void> {
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {});
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await Promise.race([iterator.next(), aborted]);
      ended = done === true;
      if (ended) return;
      if (!to.write(make(value))) await Promise.race([once(to, "drain", { signal }), aborted]);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // A source that waits for something cannot be told to end; it obeys the same signal by itself.
    if (!ended) void iterator.return?.().catch(() => {});
  }
}
