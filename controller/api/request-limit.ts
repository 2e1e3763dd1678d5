import { DbctlError } from "../../core/errors.ts";

const most = 10_000;

/** How many rows a list may have: 100 unless asked, 10 000 at most. */
export function readLimit(limit: number): number {
  if (limit <= most) return limit === 0 ? 100 : limit;
  throw new DbctlError("usage", `Cannot list ${limit} rows: at most ${most}`, {
    remedy: `Ask for ${most} or fewer`,
  });
}
