/** The body of an answer, as it comes. */
export type Body = AsyncIterable<Uint8Array> & { destroy: () => void };

/**
 * The pieces of a body. Ends soon after the signal aborts, even while the other side is silent;
 * `failure` translates what breaks on the way.
 */
export async function* readBody(
  body: Body,
  { failure, signal }: { failure: (error: unknown) => Error; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  const stop = () => body.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const piece of body) yield piece;
  } catch (error) {
    signal.throwIfAborted();
    throw failure(error);
  } finally {
    signal.removeEventListener("abort", stop);
    body.destroy();
  }
  signal.throwIfAborted();
}
