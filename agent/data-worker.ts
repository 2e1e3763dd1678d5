/** Main file of a data thread: one lane, with the adapters that its start data names. */
import { parentPort, workerData } from "node:worker_threads";
import { Secret } from "../core/secret.ts";
import { createEngine, openStore, type Target } from "./adapters.ts";
import { DataLane, type LaneUse } from "./lanes/data-lane.ts";
import { serveLane } from "./lanes/thread-lane.ts";
import type { TransferCaps } from "./store/transfer-limit.ts";

/** What a data thread is started with. Plain data. */
export interface DataWorkerStart {
  target: Target;
  password: string | undefined;
  storeUrl: string;
  /** Shared by all threads of the job. */
  caps: TransferCaps;
  use: LaneUse;
}

if (parentPort !== null) {
  const { target, password, storeUrl, caps, use } = workerData as DataWorkerStart;
  const engine = createEngine(target, password === undefined ? undefined : new Secret(password));
  const store = await openStore(storeUrl, { caps });
  await serveLane(parentPort, (signal) => new DataLane({ engine, store, use, signal }));
}
