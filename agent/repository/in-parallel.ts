/**
 * The results in the order of the items, with at most `limit` at work. The first failure is thrown
 * when all that had begun has ended; nothing begins after it.
 */
export async function inParallel<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const waiting = Iterator.from(items).map((item, n): [number, T] => [n, item]);
  const results: R[] = [];
  let failed = false;
  const worker = async () => {
    while (!failed) {
      const next = waiting.next();
      if (next.done === true) return;
      const [n, item] = next.value;
      try {
        results[n] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: limit }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return results;
}
