import type { ObjectBody } from "./object-store.ts";

/** The same pieces, but throws the signal's reason once it aborts, even while `body` is silent. */
export async function* obeySignal(
  body: ObjectBody,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const pieces =
    Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await Promise.race([pieces.next(), aborted.promise]);
      signal.throwIfAborted();
      ended = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // Not awaited: a generator that is stuck in its own `await` would never return.
    if (!ended) Promise.resolve(pieces.return?.()).catch(() => {});
  }
}
