import { formatRule, type RetentionRule } from "../../core/retention/retention-rule.ts";
import type { Departure, Sample, Simulation } from "../../core/retention/simulate-retention.ts";
import { formatBytes, formatTable } from "./format.ts";

export type RuleSimulation = Simulation & { rule: RetentionRule };

export interface SimulationFacts {
  from: Date;
  /** Backups that there are, and that were imagined. */
  real: number;
  imagined: number;
  /** Per GB and month. */
  price: number | undefined;
}

/** What rules keep over time, as `--json` shows it. */
export function simulationDocument(
  simulations: readonly RuleSimulation[],
  { price, ...facts }: SimulationFacts,
) {
  const rules = simulations.map(({ rule, samples, departures }) => ({
    rule: formatRule(rule),
    samples: samples.map(({ oldest = null, ...sample }) => ({
      ...sample,
      oldest,
      ...(price === undefined ? {} : { cost: costOf(sample.bytes, price) }),
    })),
    departures,
  }));
  return { ...facts, rules };
}

/** The same for people: the rules side by side; of a single one, also what goes on which day. */
export function simulationLines(
  simulations: readonly RuleSimulation[],
  { real, imagined, price }: SimulationFacts,
): string[] {
  const names = simulations.map((_, n) => (simulations.length === 1 ? "" : `${letterOf(n)} `));
  const heads = names.flatMap((name) => [
    `${name}KEPT`,
    `${name}STORAGE`,
    ...(price === undefined ? [] : [`${name}COST/MONTH`]),
    `${name}OLDEST`,
  ]);
  const days = simulations[0]?.samples.map(({ day }) => day) ?? [];
  const rows = days.map((day, n) => [
    String(day),
    ...simulations.flatMap(({ samples }) => sampleCells(samples[n], price)),
  ]);
  const [only, ...others] = simulations;
  return [
    ...simulations.map(({ rule }, n) => `Rule ${names[n] ?? ""}${formatRule(rule)}`),
    `${real === 0 ? "" : `${real} backups of the repository, then `}${imagined} imagined ones; ` +
      "rules are applied once a day.",
    "",
    ...formatTable([["DAY", ...heads], ...rows]),
    ...(only === undefined || others.length > 0 ? [] : departureLines(only.departures)),
  ];
}

function letterOf(n: number): string {
  return n < 26 ? String.fromCodePoint(65 + n) : `R${n + 1}`;
}

function sampleCells(sample: Sample | undefined, price: number | undefined): string[] {
  if (sample === undefined) return [];
  const { kept, bytes, oldest, at } = sample;
  const days = oldest === undefined ? 0 : (at.getTime() - oldest.getTime()) / 86_400_000;
  return [
    String(kept),
    formatBytes(bytes),
    ...(price === undefined ? [] : [costOf(bytes, price).toFixed(2)]),
    oldest === undefined ? "none" : `${oldest.toISOString().slice(0, 10)} (${days.toFixed(1)} d)`,
  ];
}

/** For a month; rounded to a hundredth. */
function costOf(bytes: number, price: number): number {
  return Math.round((bytes / 1e9) * price * 100) / 100;
}

const mostNames = 3;

function departureLines(departures: readonly Departure[]): string[] {
  if (departures.length === 0) return ["", "Nothing goes."];
  const rows = departures.map(({ day, at, backups }) => {
    const more = backups.length > mostNames ? ` and ${backups.length - mostNames} more` : "";
    const names = backups.slice(0, mostNames).join(", ") + more;
    return [String(day), at.toISOString().slice(0, 10), String(backups.length), names];
  });
  return ["", ...formatTable([["DAY", "DATE", "GOES", "BACKUPS"], ...rows])];
}
