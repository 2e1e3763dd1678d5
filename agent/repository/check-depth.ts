import { createHash } from "node:crypto";

/**
 * How closely a check looks. `quick`: every object is there and has its size. `index`: maps and the
 * packs' indexes are read, too, and fit each other. `sample`: a part of the chunks is decoded, too.
 * `full`: all of them are.
 */
export type CheckDepth =
  | { kind: "quick" }
  | { kind: "index" }
  | { kind: "sample"; percent: number; seed: string }
  | { kind: "full" };

/** As people write it: `quick`, `sample=10%`. */
export function describeDepth(depth: CheckDepth): string {
  return depth.kind === "sample" ? `sample=${depth.percent}%` : depth.kind;
}

/** Whether chunks are decoded. */
export function decodesChunks({ kind }: CheckDepth): boolean {
  return kind === "sample" || kind === "full";
}

/**
 * A number from 0 to 1 for a chunk, evenly spread and the same for the same seed: those below the
 * share are the sample, whatever the order in which they are met.
 */
export function drawLot(seed: string, chunkId: string): number {
  const digest = createHash("sha256").update(seed).update("\n").update(chunkId).digest();
  return digest.readUInt32LE() / 2 ** 32;
}
