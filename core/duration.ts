const day = 86_400;
const units = { s: 1, m: 60, h: 3600, d: day, w: 7 * day, mo: 30 * day, y: 365 * day } as const;

/**
 * Reads `30s`, `15m`, `36h`, `7d`, `4w`, `6mo` (of 30 days), `1y` (of 365 days) as seconds. A bare
 * number is an error that shows its readings.
 */
export function parseDuration(text: string): number {
  const [, digits = "", unit] = /^(\d{1,9})(s|m|h|d|w|mo|y)$/.exec(text.trim()) ?? [];
  if (unit !== undefined) return Number(digits) * units[unit as keyof typeof units];
  if (/^\d+$/.test(text.trim()))
    throw new SyntaxError(
      `"${text}" has no unit: write ${text}s for seconds or ${text}m for minutes`,
    );
  throw new SyntaxError(`"${text}" is not a duration such as 30s, 15m, 36h, 7d, 4w, 6mo or 1y`);
}

/** The shortest form that `parseDuration` reads back. */
export function formatDuration(seconds: number): string {
  for (const [unit, size] of [
    ["d", units.d],
    ["h", units.h],
    ["m", units.m],
  ] as const)
    if (seconds > 0 && seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}
