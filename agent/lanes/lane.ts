import type { Part, SchemaObject, SnapshotTicket, TableData } from "../engines/engine.ts";
import type { RowSums } from "../pipeline/row-chunker.ts";
import type { StreamMap, WrittenStream } from "../repository/map.ts";
import type { WrittenPacks } from "../repository/chunk-writer.ts";

/**
 * One of the parallel ways of the bytes between a database and a repository: one connection, its
 * own buffers, usually its own thread. A lane does one thing at a time; calls wait for no one else.
 * Aborting the signal a lane was opened with ends its calls soon; disposing closes its connection.
 */
export interface Lane extends AsyncDisposable {
  /** Joins the snapshot, in the moment in which its leader holds it pinned. */
  openReader(ticket: SnapshotTicket): Promise<void>;
  /** Reads a part and stores what the epoch does not have yet. */
  storePart(part: Part): Promise<StoredPart>;
  /** Ends the packs; when it resolves, the store has confirmed them all. */
  finishPacks(): Promise<WrittenPacks>;
  /** Reads a part for its sums only, under the row key of the backup it is compared with. */
  sumPart(part: Part): Promise<RowSums>;
  openLoader(): Promise<void>;
  /** Builds the object, and records the step in the target's journal. */
  build(object: SchemaObject, step: string): Promise<void>;
  /**
   * Loads one stream of a backup and records the step, in one transaction; gives the rows the
   * server has taken.
   */
  loadStream(table: TableData, map: StreamMap, step: string): Promise<number>;
}

export interface StoredPart {
  sums: RowSums;
  map: WrittenStream;
}

/** The calls that threads pass on. The compiler keeps the list complete. */
export const laneCalls: Record<Exclude<keyof Lane, symbol>, true> = {
  openReader: true,
  storePart: true,
  finishPacks: true,
  sumPart: true,
  openLoader: true,
  build: true,
  loadStream: true,
};

export interface Lanes extends AsyncDisposable {
  all: Lane[];
}

/** Opens `count` lanes, or none: when one fails, those before it are closed again. */
export async function openLanes(count: number, open: () => Promise<Lane>): Promise<Lanes> {
  await using stack = new AsyncDisposableStack();
  const all: Lane[] = [];
  for (let n = 0; n < count; n++) all.push(stack.use(await open()));
  const owned = stack.move();
  return { all, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * Does the same on every lane at once. Waits for all of them even when one fails, so that none is
 * still opening something when its lane is closed; then throws the first error.
 */
export async function onEvery<Result>(
  lanes: readonly Lane[],
  run: (lane: Lane) => Promise<Result>,
): Promise<Result[]> {
  const all = lanes.map(run);
  await Promise.allSettled(all);
  return await Promise.all(all);
}

/**
 * Runs the tasks on all lanes, each lane taking the next one when it is free, and yields the
 * results as they come. After an error, or when the caller stops, no task is begun any more and
 * those under way are waited for.
 */
export async function* runOnLanes<Task, Result>(
  lanes: readonly Lane[],
  tasks: Iterable<Task>,
  run: (lane: Lane, task: Task) => Promise<Result>,
): AsyncGenerator<Result> {
  const next = tasks[Symbol.iterator]();
  const running = new Map<Lane, Promise<{ lane: Lane; result: Result }>>();
  const begin = (lane: Lane) => {
    const task = next.next();
    if (task.done === true) return;
    const work = run(lane, task.value).then((result) => ({ lane, result }));
    // It may fail while the caller is busy with another result: it is looked at after that.
    work.catch(() => {});
    running.set(lane, work);
  };
  try {
    for (const lane of lanes) begin(lane);
    while (running.size > 0) {
      const { lane, result } = await Promise.race(running.values());
      running.delete(lane);
      begin(lane);
      yield result;
    }
  } finally {
    await Promise.allSettled(running.values());
  }
}
