import { randomBytes } from "node:crypto";
import { InvalidArgumentError, Option } from "commander";
import type { CheckDepth } from "../../agent/repository/check-depth.ts";

/** A depth as it was asked for: the seed of a sample is an option of its own. */
export type AskedDepth =
  | Exclude<CheckDepth, { kind: "sample" }>
  | { kind: "sample"; percent: number };

export function depthOption(fallback: "quick" | "full"): Option {
  return new Option(
    "--depth <depth>",
    "quick (all objects there, with their sizes; needs no key), index (and all maps and pack " +
      "indexes), sample=10% (and so many chunks, at least one of each table), full (every chunk)",
  )
    .default({ kind: fallback } satisfies AskedDepth, fallback)
    .argParser(parseDepth);
}

export const seedOption = new Option(
  "--seed <text>",
  "which sample; the seed of an earlier one repeats it",
);

export function parseDepth(text: string): AskedDepth {
  if (text === "quick" || text === "index" || text === "full") return { kind: text };
  const percent = Number(/^sample=(\d{1,3}(?:\.\d+)?)%?$/.exec(text)?.[1]);
  if (percent > 0 && percent <= 100) return { kind: "sample", percent };
  throw new InvalidArgumentError("expected quick, index, full, or sample= and 0 to 100 %");
}

/** With the seed that was asked for, or a new one. */
export function withSeed(depth: AskedDepth, seed: string | undefined): CheckDepth {
  if (depth.kind !== "sample") return depth;
  return { ...depth, seed: seed ?? randomBytes(4).toString("hex") };
}
