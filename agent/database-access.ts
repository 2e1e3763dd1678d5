import type { Secret } from "../core/secret.ts";
import { createEngine, type Target } from "./adapters.ts";
import type { DataWorkerStart } from "./data-worker.ts";
import type { Engine } from "./engines/engine.ts";
import type { LaneUse } from "./lanes/data-lane.ts";
import type { Lane } from "./lanes/lane.ts";
import { openThreadLane } from "./lanes/thread-lane.ts";
import type { TransferCaps } from "./store/transfer-limit.ts";

/** The way to one database: its engine, and lanes between it and a repository. */
export interface DatabaseAccess {
  engine: Engine;
  openLane(use: LaneUse, options: { storeUrl: string; signal: AbortSignal }): Promise<Lane>;
}

/** The real way: every lane has a thread of its own. They share the caps. */
export function accessDatabase(
  target: Target,
  password: Secret | undefined,
  caps: TransferCaps = {},
): DatabaseAccess {
  return {
    engine: createEngine(target, password),
    openLane: (use, { storeUrl, signal }) => {
      const start: DataWorkerStart = { target, password: password?.reveal(), storeUrl, caps, use };
      return openThreadLane(script, start, { signal });
    },
  };
}

/** In a build the thread's main file is JavaScript, as this one is. */
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const script = new URL(`./data-worker.${extension}`, import.meta.url);
