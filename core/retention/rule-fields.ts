import { parseDuration } from "../duration.ts";
import { isTimeZone } from "../local-time.ts";

/** One field of a rule: how it is read, and how the help of a command names it. */
interface Field<T> {
  /** What the value looks like; empty for a switch. */
  argument: string;
  help: string;
  /** Throws a SyntaxError that says what is wrong. */
  read(text: string): T;
}

export const weekdayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

const mostBackups = 1_000_000;
/** A hundred years. */
const mostDays = 36_500;

/**
 * Every field of a retention rule. Flags are these names with dashes in front, policies write `_`
 * for `-`.
 */
export const ruleFields = {
  "keep-last": {
    argument: "<n>",
    help: "the newest n good backups",
    read: wholeNumber(1, mostBackups),
  },
  "keep-within": {
    argument: "<time>",
    help: "everything of this time before the newest good backup: 36h, 14d, 4w, 6mo, 1y",
    read: someTime,
  },
  "keep-days": {
    argument: "<n>",
    help: "everything younger than n days",
    read: wholeNumber(1, mostDays),
  },
  "keep-min": {
    argument: "<n>",
    help: "with --keep-days: at least the newest n good backups, however old; 5 unless told",
    read: wholeNumber(1, mostBackups),
  },
  "keep-daily": {
    argument: "<n>",
    help: "one backup of each of the newest n days",
    read: wholeNumber(0, mostDays),
  },
  "keep-weekly": {
    argument: "<n>",
    help: "one of each of the newest n weeks (ISO)",
    read: wholeNumber(0, mostDays),
  },
  "keep-monthly": {
    argument: "<n>",
    help: "one of each of the newest n months",
    read: wholeNumber(0, mostDays),
  },
  "keep-yearly": {
    argument: "<n>",
    help: "one of each of the newest n years",
    read: wholeNumber(0, mostDays),
  },
  gfs: { argument: "", help: "7 daily, 4 weekly, 12 monthly, 3 yearly", read: onOrOff },
  weekday: {
    argument: "<day>",
    help: "the day that weekly prefers: mon … sun; sun unless told",
    read: weekdayNumber,
  },
  "month-day": {
    argument: "<n>",
    help: "the day that monthly and yearly prefer: 1 to 31, or 0 for the last; 1 unless told",
    read: wholeNumber(0, 31),
  },
  zone: {
    argument: "<zone>",
    help: "where days begin, for example Europe/Berlin; UTC unless told",
    read: zoneName,
  },
  "keep-tag": {
    argument: "<tag>",
    help: "everything that carries this tag; may be given several times",
    read: tagList,
  },
  "pitr-window": {
    argument: "<time>",
    help: "the bases that recovery to any moment of the last 7d (for example) may need",
    read: someTime,
  },
} as const satisfies Record<string, Field<unknown>>;

export type RuleField = keyof typeof ruleFields;
export type RuleValues = {
  [F in RuleField]?: ReturnType<(typeof ruleFields)[F]["read"]> | undefined;
};

export function isRuleField(name: string): name is RuleField {
  return Object.hasOwn(ruleFields, name);
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new SyntaxError(`"${text}" is not a whole number from ${min} to ${max}`);
  };
}

/** Seconds, up to a hundred years. */
function someTime(text: string): number {
  const seconds = parseDuration(text);
  if (seconds > 0 && seconds <= mostDays * 86_400) return seconds;
  throw new SyntaxError(`"${text}" is not a time from 1s to 100y`);
}

function weekdayNumber(text: string): number {
  const word = text.trim().toLowerCase();
  const at = longNames.findIndex((name) => word === name || word === name.slice(0, 3));
  if (at !== -1) return at + 1;
  throw new SyntaxError(`"${text}" is not a day of the week such as sun or monday`);
}

const longNames = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

function zoneName(text: string): string {
  if (isTimeZone(text)) return text;
  throw new SyntaxError(`"${text}" is not a time zone such as UTC or Europe/Berlin`);
}

function tagList(text: string): string[] {
  const tags = text.split(",").map((tag) => tag.trim());
  for (const tag of tags)
    if (!/^[^\s,]{1,100}$/.test(tag))
      throw new SyntaxError(`"${tag}" is not a tag of 1 to 100 letters without spaces and commas`);
  return tags;
}

function onOrOff(text: string): boolean {
  if (text === "" || text === "true") return true;
  if (text === "false") return false;
  throw new SyntaxError(`"${text}" is neither true nor false`);
}
