import { randomBytes } from "node:crypto";
import { InvalidArgumentError, Option } from "commander";
import type { CheckDepth } from "../../agent/repository/check-depth.ts";
import { parseVerifyDepth, type VerifyDepth } from "../../core/verify-depth.ts";

export function depthOption(fallback: "quick" | "full"): Option {
  return new Option(
    "--depth <depth>",
    "quick (all objects there, with their sizes; needs no key), index (and all maps and pack " +
      "indexes), sample=10% (and so many chunks, at least one of each table), full (every chunk)",
  )
    .default({ kind: fallback } satisfies VerifyDepth, fallback)
    .argParser(parseDepth);
}

export const seedOption = new Option(
  "--seed <text>",
  "which sample; the seed of an earlier one repeats it",
);

export function parseDepth(text: string): VerifyDepth {
  try {
    return parseVerifyDepth(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InvalidArgumentError(error.message);
  }
}

/** With the seed that was asked for, or a new one. */
export function withSeed(depth: VerifyDepth, seed: string | undefined): CheckDepth {
  if (depth.kind !== "sample") return depth;
  return { ...depth, seed: seed ?? randomBytes(4).toString("hex") };
}
