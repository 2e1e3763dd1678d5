import { DbctlError } from "../errors.ts";
import { formatDuration } from "../duration.ts";
import { nearestName } from "../nearest-name.ts";
import { isRuleField, ruleFields, weekdayNames } from "./rule-fields.ts";
import type { RuleField, RuleValues } from "./rule-fields.ts";

/** What is to be kept: the union of what its parts keep. Floors above it are in keep-backups.ts. */
export interface RetentionRule {
  /** The newest good ones. */
  keepLast?: number;
  /** Everything of this time before the newest good one: backups that stop do not run out. */
  keepWithinSeconds?: number;
  /** Everything younger than so many days of 24 hours, by the clock. */
  keepDays?: number;
  /** The newest good ones, however old. */
  keepMin?: number;
  gfs?: GfsRule;
  /** Everything that carries one of these. */
  keepTags?: readonly string[];
  /** Every moment of this time back from now is to be restorable from a base and the log. */
  pitrWindowSeconds?: number;
}

/** Grandfather, father, son (table 11.1 of the specification); 0 turns a tier off. */
export interface GfsRule {
  daily: number;
  weekly: number;
  monthly: number;
  yearly: number;
  /** As ISO 8601 counts: 1 is Monday, 7 is Sunday. */
  weekday: number;
  /** 1 to 31, beyond the end of a month its last day; 0 is the last day. */
  monthDay: number;
  /** IANA name of the zone in which days begin. */
  zone: string;
}

/** A rule as people write it: the fields' names with their text. */
export interface RuleSetting {
  name: string;
  text: string;
}

export interface RuleFault {
  /** Empty when it is about the rule as a whole. */
  name: string;
  message: string;
}

/** What holds where nothing is said (CAT-06, CAT-07). */
export const defaultRule: RetentionRule = { keepDays: 30, keepMin: 5 };
const defaultGfs = { daily: 7, weekly: 4, monthly: 12, yearly: 3 };
const sunday = 7;

/** The rule, or a `usage` error that names every fault. The zone is UTC where none is named. */
export function parseRule(settings: Iterable<RuleSetting>): RetentionRule {
  const { values, faults } = readSettings(settings);
  const { rule, faults: more } = ruleOf(values, { zone: "UTC" });
  // What follows from a value that could not be read is no news.
  const all = faults.length > 0 ? faults : more;
  if (all.length === 0) return rule;
  const what = all.map(({ name, message }) => (name === "" ? message : `${name}: ${message}`));
  throw new DbctlError("usage", `Cannot read the retention rule: ${what.join("; ")}`, {
    remedy: "Correct it, for example: --keep-last 5 --keep-daily 7 --keep-weekly 4",
  });
}

/** Splits `keep-last=7,weekly=4,gfs`: the prefix may be left out, and a switch has no value. */
export function splitRuleText(text: string): RuleSetting[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const end = part.indexOf("=");
      const name = (end === -1 ? part : part.slice(0, end)).trim();
      return { name, text: end === -1 ? "" : part.slice(end + 1).trim() };
    });
}

/** The rule as `splitRuleText` and `parseRule` read it back. */
export function formatRule(rule: RetentionRule): string {
  return ruleSettings(rule)
    .map(({ name, text }) => `${name}=${text}`)
    .join();
}

/** The rule's fields as people write them; those that have no effect are left out. */
export function ruleSettings(rule: RetentionRule): RuleSetting[] {
  const { keepLast, keepWithinSeconds, keepDays, keepMin, gfs, keepTags = [] } = rule;
  const { pitrWindowSeconds } = rule;
  const parts: [name: RuleField, value: string | number | undefined][] = [
    ["keep-last", keepLast],
    ["keep-within", keepWithinSeconds && formatDuration(keepWithinSeconds)],
    ["keep-days", keepDays],
    ["keep-min", keepMin],
    ...(gfs === undefined ? [] : gfsParts(gfs)),
    ...keepTags.map((tag): [RuleField, string] => ["keep-tag", tag]),
    ["pitr-window", pitrWindowSeconds && formatDuration(pitrWindowSeconds)],
  ];
  return parts.flatMap(([name, value]) =>
    value === undefined ? [] : { name, text: String(value) },
  );
}

function gfsParts(gfs: GfsRule): [RuleField, string | number | undefined][] {
  const { daily, weekly, monthly, yearly, weekday, monthDay, zone } = gfs;
  const usesDay = monthly > 0 || yearly > 0;
  return [
    ["keep-daily", daily || undefined],
    ["keep-weekly", weekly || undefined],
    ["keep-monthly", monthly || undefined],
    ["keep-yearly", yearly || undefined],
    ["weekday", weekly > 0 && weekday !== sunday ? weekdayNames[weekday - 1] : undefined],
    ["month-day", usesDay && monthDay !== 1 ? monthDay : undefined],
    ["zone", zone === "UTC" ? undefined : zone],
  ];
}

/** Joins what was read of the fields, and says what does not go together. */
export function ruleOf(
  values: RuleValues,
  { zone }: { zone: string },
): { rule: RetentionRule; faults: RuleFault[] } {
  const gfs = gfsOf(values, zone);
  const keepDays = values["keep-days"];
  const keepLast = values["keep-last"];
  // CAT-06: the age alone would empty a database whose backups have stopped.
  const keepsByAge = keepDays !== undefined && keepLast === undefined;
  const keepMin = values["keep-min"] ?? (keepsByAge ? defaultRule.keepMin : undefined);
  const rule = withoutUndefined({
    keepLast,
    keepWithinSeconds: values["keep-within"],
    keepDays,
    keepMin,
    gfs,
    keepTags: values["keep-tag"],
    pitrWindowSeconds: values["pitr-window"],
  });
  const faults = strayFields(values, gfs).map((name) => ({ name, message: strayMessages[name] }));
  const nothing = { name: "", message: "it keeps nothing: say what is to be kept" };
  return { rule, faults: Object.keys(rule).length === 0 ? [...faults, nothing] : faults };
}

function gfsOf(values: RuleValues, zone: string): GfsRule | undefined {
  const base = values.gfs === true ? defaultGfs : { daily: 0, weekly: 0, monthly: 0, yearly: 0 };
  const tiers = {
    daily: values["keep-daily"] ?? base.daily,
    weekly: values["keep-weekly"] ?? base.weekly,
    monthly: values["keep-monthly"] ?? base.monthly,
    yearly: values["keep-yearly"] ?? base.yearly,
  };
  if (Object.values(tiers).every((count) => count === 0)) return undefined;
  return {
    ...tiers,
    weekday: values.weekday ?? sunday,
    monthDay: values["month-day"] ?? 1,
    zone: values.zone ?? zone,
  };
}

const strayMessages = {
  "keep-min": "it goes with keep-days; alone, say keep-last",
  weekday: "it goes with keep-weekly",
  "month-day": "it goes with keep-monthly or keep-yearly",
  zone: "it goes with keep-daily, keep-weekly, keep-monthly or keep-yearly",
} as const;

/** A field that changes nothing was meant to change something. */
function strayFields(values: RuleValues, gfs: GfsRule | undefined): (keyof typeof strayMessages)[] {
  const { weekly = 0, monthly = 0, yearly = 0 } = gfs ?? {};
  const useless = {
    "keep-min": values["keep-days"] === undefined,
    weekday: weekly === 0,
    "month-day": monthly + yearly === 0,
    zone: gfs === undefined,
  };
  const names = Object.keys(useless) as (keyof typeof useless)[];
  return names.filter((name) => values[name] !== undefined && useless[name]);
}

function withoutUndefined(rule: {
  [K in keyof RetentionRule]: RetentionRule[K] | undefined;
}): RetentionRule {
  return Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));
}

function readSettings(settings: Iterable<RuleSetting>): {
  values: RuleValues;
  faults: RuleFault[];
} {
  const values: Record<string, unknown> = {};
  const faults: RuleFault[] = [];
  for (const { name: written, text } of settings) {
    const name = isRuleField(written) ? written : `keep-${written}`;
    try {
      if (!isRuleField(name)) throw new SyntaxError(unknownField(written));
      const value = ruleFields[name].read(text);
      if (Array.isArray(value)) values[name] = [...((values[name] as string[]) ?? []), ...value];
      else if (values[name] === undefined) values[name] = value;
      else throw new SyntaxError("it is given twice");
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      faults.push({ name: isRuleField(name) ? name : written, message: error.message });
    }
  }
  return { values, faults };
}

function unknownField(written: string): string {
  const names = Object.keys(ruleFields);
  const short = names.map((name) => name.replace(/^keep-/, ""));
  const nearest = nearestName(written, [...names, ...short]);
  return nearest === undefined
    ? `it is not known; known are ${names.join(", ")}`
    : `it is not known; did you mean ${nearest}?`;
}
