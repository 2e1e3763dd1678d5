import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of chunks between two collections: what a thread may hold beyond what it uses. */
const interval = 4 << 20;

/**
 * Keeps dead buffers from piling up. Sealing and opening a chunk leaves buffers of several times its
 * size outside of V8's heap, where V8 notices them late: two threads were seen to hold 325 MB, with
 * a collection every 8 MiB 181 MB, in the same time (docs/performance.md). A thread's own heap is a
 * few MB, so a collection takes about a millisecond.
 */
export class OffHeapGarbage {
  #bytes = 0;

  /** Tells that a chunk of so many bytes went through. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < interval) return;
    this.#bytes = 0;
    collect ??= exposeCollector();
    collect();
  }
}

/** The thread's collector: making it needs a context of its own, once. */
let collect: (() => void) | undefined;

function exposeCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
