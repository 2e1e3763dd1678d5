interface Options<In, Out> {
  fetch: (item: In, options: { signal: AbortSignal }) => Promise<Out>;
  /** How many are under way, or wait to be taken. */
  atOnce: number;
  signal: AbortSignal;
}

/** What `fetch` gives for each item, in their order; the next ones are fetched meanwhile. */
export async function* readAhead<In, Out>(
  items: readonly In[],
  { fetch, atOnce, signal }: Options<In, Out>,
): AsyncGenerator<Out, void> {
  const over = new AbortController();
  const options = { signal: AbortSignal.any([signal, over.signal]) };
  const waiting: Promise<Out>[] = [];
  let begun = 0;
  try {
    for (let taken = 0; taken < items.length; taken++) {
      for (const item of items.slice(begun, taken + atOnce)) {
        const fetched = fetch(item, options);
        fetched.catch(() => {}); // It is looked at when its turn comes.
        waiting.push(fetched);
        begun++;
      }
      const next = waiting.shift();
      if (next === undefined) return;
      const out = await next;
      signal.throwIfAborted();
      yield out;
    }
  } finally {
    over.abort(new Error("nobody reads on"));
  }
}
