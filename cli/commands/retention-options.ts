import { Option } from "commander";
import { DbctlError } from "../../core/errors.ts";
import { parseDuration } from "../../core/duration.ts";
import type { RetentionRule, RuleSetting } from "../../core/retention/retention-rule.ts";
import { defaultRule, parseRule, splitRuleText } from "../../core/retention/retention-rule.ts";
import { ruleFields } from "../../core/retention/rule-fields.ts";
import type { RuleField } from "../../core/retention/rule-fields.ts";
import { parseByteSize } from "./byte-size.ts";

/** What commander read of the rule's flags: text, true for a switch, a list for `--keep-tag`. */
export type RuleFlags = Record<string, unknown>;

/** A flag for every field of a retention rule. */
export function ruleOptions(): Option[] {
  return ruleNames.map((name) => {
    const { argument, help } = ruleFields[name];
    const option = new Option(`--${name} ${argument}`.trimEnd(), help);
    // The rule's own reader names all faults at once; commander would stop at the first.
    return name === "keep-tag" ? option.argParser(collect).default([], "none") : option;
  });
}

const ruleNames = Object.keys(ruleFields) as RuleField[];

export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** The rule that the flags name, or undefined when they name none. */
export function ruleOfFlags(flags: RuleFlags): RetentionRule | undefined {
  const settings = ruleNames.flatMap((name): RuleSetting[] => {
    const value = flags[new Option(`--${name}`).attributeName()];
    if (value === true) return [{ name, text: "true" }];
    const texts = Array.isArray(value) ? value : [value];
    return texts.filter((text) => typeof text === "string").map((text) => ({ name, text }));
  });
  return settings.length === 0 ? undefined : parseRule(settings);
}

/** The rules to look at side by side: that of the flags, then each `--compare`; else the usual one. */
export function rulesToCompare(flags: RuleFlags, compare: readonly string[]): RetentionRule[] {
  const own = ruleOfFlags(flags);
  const others = compare.map((text) => parseRule(splitRuleText(text)));
  const all = own === undefined ? others : [own, ...others];
  return all.length === 0 ? [defaultRule] : all;
}

export interface SimulateFlags extends RuleFlags {
  repo?: string;
  database?: string;
  every?: string;
  size?: string;
  growth?: string;
  for?: string;
  days?: string;
  price?: string;
  compare: string[];
  json: boolean;
}

/** What is simulated, once all flags are read. */
export interface SimulationPlan {
  everySeconds: number | undefined;
  bytes: number | undefined;
  growthPerDay: number;
  days: number[];
  /** Per GB and month, in any currency. */
  price: number | undefined;
}

/** Reads the flags that are not about rules; every fault is named at once. */
export function readPlan(flags: SimulateFlags): SimulationPlan {
  const faults: string[] = [];
  const read = <T>(name: "every" | "size" | "growth" | "for" | "days" | "price", as: Reader<T>) => {
    const text = flags[name];
    try {
      return text === undefined ? undefined : as(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      faults.push(`--${name}: ${error.message}`);
      return undefined;
    }
  };
  const everySeconds = read("every", parseInterval);
  const bytes = read("size", parseByteSize);
  const growthPerDay = read("growth", parseGrowth) ?? 0;
  const horizon = read("for", parseHorizon);
  const days = read("days", parseDays) ?? usualDays(horizon ?? 90);
  const price = read("price", parsePrice);
  if (flags.repo === undefined) {
    if (flags.every === undefined) faults.push("say --repo, or --every and --size");
    else if (flags.size === undefined) faults.push("--size is missing: what one backup stores");
  }
  if (faults.length === 0) return { everySeconds, bytes, growthPerDay, days, price };
  throw new DbctlError("usage", `Cannot simulate retention: ${faults.join("; ")}`, {
    remedy: "For example: dbctl retention simulate --every 6h --size 20GB --keep-daily 7",
  });
}

type Reader<T> = (text: string) => T;

const mostDays = 3660;

function usualDays(horizon: number): number[] {
  return [...[7, 14, 30, 60, 90].filter((day) => day < horizon), horizon];
}

function parseInterval(text: string): number {
  const seconds = parseDuration(text);
  if (seconds >= 60) return seconds;
  throw new SyntaxError(`"${text}" is shorter than a minute`);
}

function parseHorizon(text: string): number {
  const days = Math.ceil(parseDuration(text) / 86_400);
  if (days >= 1 && days <= mostDays) return days;
  throw new SyntaxError(`"${text}" is not a time from 1d to 10y`);
}

function parseDays(text: string): number[] {
  const days = text.split(",").map((day) => (/^\d{1,4}$/.test(day.trim()) ? Number(day) : -1));
  if (days.every((day) => day >= 0 && day <= mostDays))
    return [...new Set(days)].toSorted((a, b) => a - b);
  throw new SyntaxError(`"${text}" is not a list of days from 0 to ${mostDays}, such as 7,30,90`);
}

/** `1%/d` and the like, as a share per day; what is compounded gives the named share. */
function parseGrowth(text: string): number {
  const [, percent = "", unit = ""] =
    /^(\d{1,4}(?:\.\d{1,6})?)%\/(d|w|mo|y)$/.exec(text.trim()) ?? [];
  const share = Number(percent) / 100;
  if (percent !== "") return (1 + share) ** (86_400 / parseDuration(`1${unit}`)) - 1;
  throw new SyntaxError(`"${text}" is not a growth such as 1%/d, 5%/w, 10%/mo or 50%/y`);
}

function parsePrice(text: string): number {
  if (/^\d{1,6}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw new SyntaxError(`"${text}" is not a price such as 0.023`);
}
