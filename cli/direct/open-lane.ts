import type { Secret } from "../../core/secret.ts";
import type { Target } from "../../agent/adapters.ts";
import type { DataWorkerStart } from "../../agent/data-worker.ts";
import type { LaneUse } from "../../agent/lanes/data-lane.ts";
import type { Lane } from "../../agent/lanes/lane.ts";
import { openThreadLane } from "../../agent/lanes/thread-lane.ts";

/** In a build the thread's main file is JavaScript, as this one is. */
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const script = new URL(`../../agent/data-worker.${extension}`, import.meta.url);

interface LaneStart {
  target: Target;
  password: Secret | undefined;
  storeUrl: string;
  use: LaneUse;
}

/** Opens one lane of a backup or restore on a thread of its own. */
export function openLane(
  { target, password, storeUrl, use }: LaneStart,
  options: { signal: AbortSignal },
): Promise<Lane> {
  const start: DataWorkerStart = { target, password: password?.reveal(), storeUrl, use };
  return openThreadLane(script, start, options);
}
