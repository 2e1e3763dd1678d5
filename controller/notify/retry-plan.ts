/** Seconds to wait after the first, second and third failed attempt. */
const inLine = [5, 30, 120];
const thenEvery = 15 * 60;
const attemptsOfADay = (24 * 3600) / thenEvery;

/** When to try again after so many attempts that all failed; undefined when it is dead (RPO-11). */
export function nextAttempt(attempts: number, now: Date): Date | undefined {
  if (attempts > inLine.length + attemptsOfADay) return undefined;
  return new Date(now.getTime() + (inLine[attempts - 1] ?? thenEvery) * 1000);
}
