import { median, type Measure, measure } from "./measure.ts";

/** Two shell scripts that do the same work. */
export interface Contest {
  work: string;
  ours: string;
  theirs: string;
  /** Makes room for a side's run; not measured. */
  before: (side: "ours" | "theirs") => Promise<void>;
}

export const tableHead = [
  "| work | wall, s: ours / theirs = ratio | CPU of the client, s | peak memory, MB |",
  "|---|---|---|---|",
];

/** Runs both sides alternately `runs` times; gives a line of the table, from medians. */
export async function compete(contest: Contest, runs: number): Promise<string> {
  const { work, ours, theirs, before } = contest;
  const results: Record<"ours" | "theirs", Measure[]> = { ours: [], theirs: [] };
  for (let n = 0; n < runs; n++) {
    for (const [side, script] of [
      ["ours", ours],
      ["theirs", theirs],
    ] as const) {
      await before(side);
      results[side].push(await measure(script));
    }
  }
  const compared = (field: keyof Measure, unit: number) => {
    const [a = 0, b = 0] = [results.ours, results.theirs].map((all) =>
      median(all.map((one) => one[field] / unit)),
    );
    return `${a.toFixed(2)} / ${b.toFixed(2)} = **${(a / b).toFixed(2)}**`;
  };
  const cells = [compared("seconds", 1), compared("cpuSeconds", 1), compared("peakBytes", 1e6)];
  return `| ${[work, ...cells].join(" | ")} |`;
}
