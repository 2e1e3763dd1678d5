import type { ValueDecoder } from "./value-reader.ts";

const dayMicros = 86_400_000_000n;
const [latestDay, earliestDay] = [2_147_483_647, -2_147_483_648];
const [latest, earliest] = [(1n << 63n) - 1n, -(1n << 63n)];

export const decodeDate: ValueDecoder = (value) => {
  const day = value.i32();
  if (day === latestDay) return "infinity";
  if (day === earliestDay) return "-infinity";
  const { date, era } = formatDay(BigInt(day));
  return `${date}${era}`;
};

export const decodeTimestamp: ValueDecoder = (value) => formatTimestamp(value.i64(), "");
/** In UTC, which our sessions have. */
export const decodeTimestampTz: ValueDecoder = (value) => formatTimestamp(value.i64(), "+00");

function formatTimestamp(micros: bigint, zone: string): string {
  if (micros === latest) return "infinity";
  if (micros === earliest) return "-infinity";
  const inDay = ((micros % dayMicros) + dayMicros) % dayMicros;
  const { date, era } = formatDay((micros - inDay) / dayMicros);
  return `${date} ${formatTime(inDay)}${zone}${era}`;
}

/** The Gregorian calendar repeats itself after 400 years. */
const [cycleDays, cycleYears] = [146_097n, 400];

/** `day`: from 2000-01-01, in the Gregorian calendar for all times; year 0 is 1 BC. */
function formatDay(day: bigint): { date: string; era: string } {
  const inCycle = ((day % cycleDays) + cycleDays) % cycleDays;
  const date = new Date(Date.UTC(2000, 0, 1 + Number(inCycle)));
  const year = date.getUTCFullYear() + Number((day - inCycle) / cycleDays) * cycleYears;
  const shown = String(year > 0 ? year : 1 - year).padStart(4, "0");
  const monthAndDay = `${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  return { date: `${shown}-${monthAndDay}`, era: year > 0 ? "" : " BC" };
}

export const decodeTime: ValueDecoder = (value) => formatTime(value.i64());

/** The zone counts seconds to the west. */
export const decodeTimeTz: ValueDecoder = (value) => {
  const time = formatTime(value.i64());
  const zone = value.i32();
  const east = Math.abs(zone);
  const [hours, minutes, seconds] = [
    Math.trunc(east / 3600),
    Math.trunc(east / 60) % 60,
    east % 60,
  ];
  const more =
    seconds > 0 ? `:${two(minutes)}:${two(seconds)}` : minutes > 0 ? `:${two(minutes)}` : "";
  return `${time}${zone <= 0 ? "+" : "-"}${two(hours)}${more}`;
};

/** From 0 to 24 hours, in microseconds. */
function formatTime(micros: bigint): string {
  if (micros < 0n || micros > dayMicros) throw new RangeError("it is no time of a day");
  return `${two(micros / 3_600_000_000n)}:${formatMinutes(micros)}`;
}

/** Minutes and seconds of an hour, with as many digits as there are. */
function formatMinutes(micros: bigint): string {
  const seconds = two((micros / 1_000_000n) % 60n);
  const fraction = String(micros % 1_000_000n)
    .padStart(6, "0")
    .replace(/0+$/, "");
  return `${two((micros / 60_000_000n) % 60n)}:${seconds}${fraction === "" ? "" : `.${fraction}`}`;
}

/** datetime.c, EncodeInterval, style `postgres`, which our sessions have. */
export const decodeInterval: ValueDecoder = (value) => {
  const [micros, days, months] = [value.i64(), value.i32(), value.i32()];
  if (micros === latest && days === latestDay && months === latestDay) return "infinity";
  if (micros === earliest && days === earliestDay && months === earliestDay) return "-infinity";
  let text = "";
  let isBefore = false;
  const units = { year: Math.trunc(months / 12), mon: months % 12, day: days };
  for (const [unit, count] of Object.entries(units)) {
    if (count === 0) continue;
    const sign = isBefore && count > 0 ? "+" : "";
    text += `${text === "" ? "" : " "}${sign}${count} ${unit}${count === 1 ? "" : "s"}`;
    isBefore = count < 0;
  }
  if (text !== "" && micros === 0n) return text;
  const sign = micros < 0n ? "-" : isBefore ? "+" : "";
  const size = micros < 0n ? -micros : micros;
  const time = `${two(size / 3_600_000_000n)}:${formatMinutes(size)}`;
  return `${text === "" ? "" : `${text} `}${sign}${time}`;
};

function two(count: number | bigint): string {
  return String(count).padStart(2, "0");
}
