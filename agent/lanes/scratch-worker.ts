/** For tests: a thread whose lane does odd things, by the name of the call. */
import { parentPort, workerData } from "node:worker_threads";
import { DbctlError } from "../../core/errors.ts";
import type { Lane } from "./lane.ts";
import { serveLane } from "./thread-lane.ts";

function createOddLane(signal: AbortSignal): Lane {
  const odd: Partial<Lane> = {
    finishPacks: () => Promise.resolve({ packs: [{ pack: "p", size: 2 ** 40 }] }),
    openReader: () => {
      const remedy = "Buy another one";
      throw new DbctlError("store-full", "Cannot go on: the disk is full", { remedy });
    },
    openLoader: () =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      }),
    storePart: () => process.exit(3),
    [Symbol.asyncDispose]: () =>
      workerData === "stubborn"
        ? Promise.reject(new Error("the session stays open"))
        : Promise.resolve(),
  };
  return odd as Lane;
}

if (parentPort !== null) await serveLane(parentPort, createOddLane);
