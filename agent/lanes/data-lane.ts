import { DbctlError } from "../../core/errors.ts";
import type {
  Engine,
  Loader,
  Part,
  PartReader,
  SchemaObject,
  TableData,
} from "../engines/engine.ts";
import type { SnapshotTicket } from "../engines/engine.ts";
import { noChunks, RowChunker, type RowSums } from "../pipeline/row-chunker.ts";
import { ChunkWriter, type WrittenPacks } from "../repository/chunk-writer.ts";
import { deriveRowKey, type EpochKeys } from "../repository/epoch.ts";
import type { StreamMap } from "../repository/map.ts";
import { readStream } from "../repository/read-stream.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Lane, StoredPart } from "./lane.ts";

/** What a lane is for. Plain data. */
export type LaneUse =
  | { kind: "backup"; epoch: EpochKeys; indexPath: string }
  /** `epochs`: every epoch whose chunks the backup refers to. */
  | { kind: "restore"; epoch: EpochKeys };

export interface LaneParts {
  engine: Engine;
  store: ObjectStore;
  use: LaneUse;
  signal: AbortSignal;
}

/** A lane on the thread of its caller. */
export class DataLane implements Lane {
  readonly #parts: LaneParts;
  readonly #resources = new AsyncDisposableStack();
  #reader: PartReader | undefined;
  #loader: Loader | undefined;
  #writer: ChunkWriter | undefined;
  #storing: RowChunker | undefined;
  #summing: RowChunker | undefined;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  async openReader(ticket: SnapshotTicket): Promise<void> {
    const { engine, signal } = this.#parts;
    this.#reader = await this.#keep(engine.openReader(ticket, { signal }));
  }

  async storePart(part: Part): Promise<StoredPart> {
    const { use, store, signal } = this.#parts;
    if (use.kind !== "backup") throw misused("storePart came before it was open");
    const { epoch, indexPath } = use;
    this.#writer ??= this.#resources.use(new ChunkWriter({ store, epoch, indexPath, signal }));
    this.#storing ??= new RowChunker(this.#writer, deriveRowKey(epoch));
    this.#writer.beginStream();
    const sums = await this.#read(part, this.#storing);
    return { sums, map: this.#writer.endStream() };
  }

  async finishPacks(): Promise<WrittenPacks> {
    return (await this.#writer?.finish()) ?? { packs: [] };
  }

  async sumPart(part: Part): Promise<RowSums> {
    this.#summing ??= new RowChunker(noChunks, deriveRowKey(this.#parts.use.epoch));
    return await this.#read(part, this.#summing);
  }

  async #read(part: Part, rows: RowChunker): Promise<RowSums> {
    if (this.#reader === undefined) throw misused("reading came before it was open");
    rows.beginPart();
    await this.#reader.readPart(part, rows, { signal: this.#parts.signal });
    return rows.endPart();
  }

  async openLoader(): Promise<void> {
    const { engine, signal } = this.#parts;
    this.#loader = await this.#keep(engine.openLoader({ signal }));
  }

  /** What was still being opened when the lane was closed is closed as soon as it is open. */
  async #keep<Session extends AsyncDisposable>(opening: Promise<Session>): Promise<Session> {
    const session = await opening;
    if (!this.#resources.disposed) return this.#resources.use(session);
    await session[Symbol.asyncDispose]();
    throw misused("it was closed while a session was being opened");
  }

  async build(object: SchemaObject, step: string): Promise<void> {
    if (this.#loader === undefined) throw misused("build came before it was open");
    await this.#loader.build(object, { step, signal: this.#parts.signal });
  }

  async loadStream(table: TableData, map: StreamMap, step: string): Promise<number> {
    const { use, store, signal } = this.#parts;
    if (this.#loader === undefined) throw misused("loadStream came before it was open");
    const bytes = readStream({ store, epoch: use.epoch, map, signal });
    return await this.#loader.load(table, bytes, { step, signal });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

function misused(what: string): DbctlError {
  return new DbctlError("internal-bug", `Cannot use a lane: ${what}`, {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}
