/** The five fields of crontab(5), as sets of numbers; 7 is Sunday too. */
export interface Cron {
  minutes: readonly number[];
  hours: readonly number[];
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  weekdays: ReadonlySet<number>;
  /** crontab(5): when both day fields are restricted, one of them is enough. */
  eitherDay: boolean;
  /** Every hour: clocks that are set back or forward do not matter. */
  everyHour: boolean;
}

const shorthands: Record<string, string> = {
  hourly: "0 * * * *",
  daily: "0 0 * * *",
  weekly: "0 0 * * 0",
  monthly: "0 0 1 * *",
};

const monthNames = [
  "jan",
  "feb",
  "mar",
  "apr",
  "may",
  "jun",
  "jul",
  "aug",
  "sep",
  "oct",
  "nov",
  "dec",
];
const weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const fields: readonly Field[] = [
  { name: "minute", min: 0, max: 59, names: [] },
  { name: "hour", min: 0, max: 23, names: [] },
  { name: "day of month", min: 1, max: 31, names: [] },
  { name: "month", min: 1, max: 12, names: monthNames },
  { name: "day of week", min: 0, max: 7, names: weekdayNames },
];

interface Field {
  name: string;
  min: number;
  max: number;
  names: readonly string[];
}

/** Reads five fields, or hourly, daily, weekly, monthly. Throws a SyntaxError that names the field. */
export function parseCron(text: string): Cron {
  const words = (shorthands[text.trim()] ?? text).trim().split(/\s+/);
  if (words.length !== fields.length)
    throw new SyntaxError(`a schedule has 5 fields or is hourly, daily, weekly, monthly`);
  const sets = fields.map((field, index) => parseField(words[index] ?? "", field));
  const [minutes = [], hours = [], days = [], months = [], weekdays = []] = sets;
  const cron: Cron = {
    minutes,
    hours,
    days: new Set(days),
    months: new Set(months),
    weekdays: new Set(weekdays.map((day) => day % 7)),
    eitherDay: ![words[2], words[4]].some((word) => word?.startsWith("*")),
    everyHour: hours.length === 24,
  };
  if (!cron.eitherDay && !someDayExists(cron))
    throw new SyntaxError(`no such day: the fields day of month and month never match together`);
  return cron;
}

/** Whether the cron wants something on the day; `day` is its midnight as if in UTC. */
export function matchesDay(cron: Cron, day: Date): boolean {
  if (!cron.months.has(day.getUTCMonth() + 1)) return false;
  const byDay = cron.days.has(day.getUTCDate());
  const byWeekday = cron.weekdays.has(day.getUTCDay());
  return cron.eitherDay ? byDay || byWeekday : byDay && byWeekday;
}

function parseField(word: string, field: Field): number[] {
  const found = new Set<number>();
  for (const part of word.split(",")) for (const value of parsePart(part, field)) found.add(value);
  return [...found].toSorted((a, b) => a - b);
}

function* parsePart(part: string, field: Field): Generator<number> {
  const { min, max, name } = field;
  const [, range = "", step] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? [];
  const every = step === undefined ? 1 : Number(step);
  if (range === "" || every < 1 || every > max)
    throw new SyntaxError(`${name} "${part}" is not a number, range, list or step`);
  const [first = "", last, ...rest] = range.split("-");
  if (rest.length > 0) throw new SyntaxError(`${name} "${part}" is not a range`);
  const all = range === "*";
  const from = all ? min : parseNumber(first, field);
  const open = all || (last === undefined && step !== undefined);
  const to = open ? max : last === undefined ? from : parseNumber(last, field);
  if (from > to) throw new SyntaxError(`${name} "${part}" ends before it begins`);
  for (let value = from; value <= to; value += every) yield value;
}

function parseNumber(word: string, { name, min, max, names }: Field): number {
  const index = names.indexOf(word.toLowerCase());
  const value = index !== -1 ? index + min : /^\d{1,2}$/.test(word) ? Number(word) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new SyntaxError(`${name} "${word}" is not between ${min} and ${max}`);
  return value;
}

function someDayExists({ days, months }: Cron): boolean {
  return [...months].some((month) => {
    const last = new Date(Date.UTC(2024, month, 0)).getUTCDate();
    return [...days].some((day) => day <= last);
  });
}
