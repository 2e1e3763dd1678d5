const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether the host's data know the IANA time zone. */
export function isTimeZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** What clocks in the zone show at the moment, as if it were UTC, in milliseconds; whole seconds. */
export function wallOf(moment: number, zone: string): number {
  const parts = formatOf(zone).formatToParts(moment);
  const numbers = new Map(parts.map(({ type, value }) => [type, Number(value)]));
  const part = (type: string) => numbers.get(type as Intl.DateTimeFormatPartTypes) ?? 0;
  const day = Date.UTC(part("year"), part("month") - 1, part("day"));
  return day + ((part("hour") * 60 + part("minute")) * 60 + part("second")) * 1000;
}

/** The moments at which clocks show this: none in a gap, two where clocks are set back. */
export function momentsOf(wall: number, zone: string): number[] {
  const guesses = [wall - dayMs, wall + dayMs].map((near) => wall - offsetAt(near, zone));
  return [...new Set(guesses)]
    .filter((moment) => wallOf(moment, zone) === wall)
    .toSorted(ascending);
}

/** The first moment whose clocks show this or later: the end of the gap that swallowed it. */
export function endOfGap(wall: number, zone: string): number {
  let before = wall - 2 * dayMs;
  let after = wall + 2 * dayMs;
  while (after - before > 1000) {
    const middle = Math.floor((before + after) / 2000) * 1000;
    if (wallOf(middle, zone) >= wall) after = middle;
    else before = middle;
  }
  return after;
}

const dayMs = 86_400_000;

function offsetAt(moment: number, zone: string): number {
  return wallOf(moment, zone) - moment;
}

function ascending(a: number, b: number): number {
  return a - b;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "iso8601",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(zone, format);
  return format;
}
