/** How closely a backup is looked at; the seed that chooses a sample comes apart. */
export type VerifyDepth =
  | { kind: "quick" }
  | { kind: "index" }
  | { kind: "sample"; percent: number }
  | { kind: "full" };

/** Reads `quick`, `index`, `sample=5%`, `full`; empty means `full`. A SyntaxError says what is known. */
export function parseVerifyDepth(text: string): VerifyDepth {
  if (text === "quick" || text === "index" || text === "full") return { kind: text };
  if (text === "") return { kind: "full" };
  const percent = Number(/^sample=(\d{1,3}(?:\.\d{1,6})?)%?$/.exec(text)?.[1]);
  if (percent > 0 && percent <= 100) return { kind: "sample", percent };
  throw new SyntaxError("expected quick, index, full, or sample= and 0 to 100 %");
}

/** What `parseVerifyDepth` reads back. */
export function formatVerifyDepth(depth: VerifyDepth): string {
  return depth.kind === "sample" ? `sample=${depth.percent}%` : depth.kind;
}
