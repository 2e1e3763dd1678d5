import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Smaller buffers may lie in Node's pool, which others use, too. */
const smallestReleased = 256 << 10;
/** Bytes of chunks between two collections. */
const interval = 4 << 20;

/**
 * Gives a dead buffer's memory back at once. V8 notices buffers off its heap late: two threads that
 * sealed chunks were seen to hold 300 MB, and to be a third slower for it (docs/performance.md).
 * The buffer must be nobody's any more: it is empty afterwards.
 */
export function release(buffer: Uint8Array): void {
  const { buffer: memory } = buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength >= smallestReleased) memory.transfer(0);
}

/**
 * Collects the buffers that cannot be released because others hold them for a while, like chunks on
 * their way to a server. A collection of the young ones takes about a millisecond.
 */
export class ChunkMemory {
  #bytes = 0;

  /** Tells that a chunk of so many bytes went through. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < interval) return;
    this.#bytes = 0;
    collect ??= exposeCollector();
    collect({ type: "minor" });
  }
}

type Collect = (options: { type: "minor" }) => void;

/** The thread's collector: making it needs a context of its own, once. */
let collect: Collect | undefined;

function exposeCollector(): Collect {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collect;
}
