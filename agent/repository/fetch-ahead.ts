import type { ObjectStore } from "../store/object-store.ts";
import { release } from "./chunk-memory.ts";
import type { EpochKeys } from "./epoch.ts";
import type { ChunkRef } from "./map.ts";
import { packKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";

export interface RunSource {
  store: ObjectStore;
  epoch: EpochKeys;
  signal: AbortSignal;
}

/** References that lie one behind the other in their pack, and the bytes that one request gives. */
export interface FetchedRun {
  run: ChunkRef[];
  /** The receiver releases the buffer. */
  bytes: Promise<Buffer>;
}

/**
 * Requests under way, or done and not yet taken: where each takes 20 ms, one alone would bring no
 * more than 100 MB/s, whatever the line can carry.
 */
const mostRequests = 8;
/**
 * Bytes of those together; a run that is larger is fetched alone. Four whole runs: where each takes
 * 20 ms, they bring 400 MB/s on each lane. Twice as many took a restore on two lanes above 256 MB.
 */
const mostBytes = 8 << 20;

/**
 * Fetches the runs, several ahead of the one that is taken, and gives them in their order. A failed
 * request fails its own run only. Who stops early leaves nothing under way and nothing in memory.
 */
export async function* fetchAhead(
  source: RunSource,
  runs: Iterable<ChunkRef[]>,
): AsyncGenerator<FetchedRun, void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([source.signal, stop.signal]);
  const ahead = new RunsAhead(runs, (run) => fetchRun({ ...source, signal }, run));
  try {
    for (;;) {
      ahead.fill();
      const next = ahead.take();
      if (next === undefined) return;
      yield next;
    }
  } finally {
    stop.abort();
    await ahead.drop();
  }
}

class RunsAhead {
  readonly #runs: Iterator<ChunkRef[]>;
  readonly #fetch: (run: ChunkRef[]) => Promise<Buffer>;
  readonly #waiting: (FetchedRun & { size: number })[] = [];
  #size = 0;
  #next: ChunkRef[] | undefined;

  constructor(runs: Iterable<ChunkRef[]>, fetch: (run: ChunkRef[]) => Promise<Buffer>) {
    this.#runs = runs[Symbol.iterator]();
    this.#fetch = fetch;
  }

  fill(): void {
    while (this.#waiting.length < mostRequests) {
      this.#next ??= this.#pull();
      if (this.#next === undefined) return;
      const [run, size] = [this.#next, sizeOf(this.#next)];
      if (this.#waiting.length > 0 && this.#size + size > mostBytes) return;
      const bytes = this.#fetch(run);
      // Awaited later, or never when the receiver stops.
      bytes.catch(() => {});
      this.#waiting.push({ run, bytes, size });
      this.#size += size;
      this.#next = undefined;
    }
  }

  take(): FetchedRun | undefined {
    const first = this.#waiting.shift();
    if (first !== undefined) this.#size -= first.size;
    return first;
  }

  async drop(): Promise<void> {
    const rest = await Promise.allSettled(this.#waiting.splice(0).map(({ bytes }) => bytes));
    for (const one of rest) if (one.status === "fulfilled") release(one.value);
  }

  #pull(): ChunkRef[] | undefined {
    const next = this.#runs.next();
    return next.done === true ? undefined : next.value;
  }
}

/** Bytes of one run at most; a chunk that is larger is a run of its own. */
const runBytes = 2 << 20;

/** References that lie one behind the other in their pack. */
export function* joinNeighbours(chunks: readonly ChunkRef[]): Generator<ChunkRef[], void> {
  let run: ChunkRef[] = [];
  let size = 0;
  for (const ref of chunks) {
    const last = run.at(-1);
    const follows = ref.pack === last?.pack && ref.offset === last.offset + last.stored;
    if (last !== undefined && (!follows || size + ref.stored > runBytes)) {
      yield run;
      run = [];
      size = 0;
    }
    run.push(ref);
    size += ref.stored;
  }
  if (run.length > 0) yield run;
}

/** The bytes from the first frame of the run to the end of its last one. */
export async function fetchRun(
  { store, epoch, signal }: RunSource,
  run: readonly ChunkRef[],
): Promise<Buffer> {
  const [first] = run;
  if (first === undefined) return Buffer.alloc(0);
  const length = sizeOf(run);
  const range = { offset: first.offset, length };
  return await readObject(store, packKey(epoch, first.pack), { max: length, range, signal });
}

function sizeOf(run: readonly ChunkRef[]): number {
  return run.reduce((sum, { stored }) => sum + stored, 0);
}
