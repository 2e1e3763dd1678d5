import { createHash } from "node:crypto";
import { DbctlError } from "../../core/errors.ts";
import type { ChunkTarget } from "../pipeline/row-chunker.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { ChunkCodec, maxChunkBytes } from "./chunk-codec.ts";
import { ChunkIndex, type PackSize } from "./chunk-index.ts";
import type { EpochKeys } from "./epoch.ts";
import type { ChunkRef, WrittenStream } from "./map.ts";
import { packKey } from "./object-key.ts";
import { packBytes } from "./pack.ts";
import { PackUpload } from "./pack-upload.ts";

export interface ChunkWriterOptions {
  store: ObjectStore;
  epoch: EpochKeys;
  indexPath: string;
  signal: AbortSignal;
  /** A pack is ended when it has reached this many bytes; 16 MiB unless set. */
  packBytes?: number;
}

/** Packs that the store has confirmed. Plain data: it crosses threads. */
export interface WrittenPacks {
  packs: PackSize[];
}

/** Bytes that may wait for the store before the writer is full. */
const maxWaiting = 4 << 20;
/** Packs that may be on their way at once, the growing one counted. */
const maxUploads = 3;

/**
 * Stores the chunks of one thread that the epoch does not hold yet, in packs that flow to the store
 * while they grow. A failure of the store or of the signal ends it: every later call throws it.
 */
export class ChunkWriter implements ChunkTarget, AsyncDisposable {
  readonly #options: ChunkWriterOptions;
  readonly #codec: ChunkCodec;
  readonly #index: ChunkIndex;
  readonly #stop = new AbortController();
  readonly #uploads = new Map<PackUpload, Promise<void>>();
  readonly #unconfirmed = new Map<string, ChunkRef>();
  readonly #packs: PackSize[] = [];
  #growing: PackUpload | undefined;
  #stream: GrowingStream | undefined;
  #failure: { reason: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(options: ChunkWriterOptions) {
    this.#options = options;
    this.#codec = new ChunkCodec(options.epoch);
    this.#index = new ChunkIndex(options.indexPath);
  }

  beginStream(): void {
    this.#stream = { chunks: [], hash: createHash("sha256"), bytes: 0, ...nothingNew };
  }

  /** Takes the next chunk of the stream (at most 4 MiB). The memory may be used again right after. */
  add(chunk: Uint8Array): void {
    this.#throwIfFailed();
    if (this.#stream === undefined) throw misused("a chunk came before its stream was begun");
    if (chunk.length === 0 || chunk.length > maxChunkBytes)
      throw misused(`a chunk of ${chunk.length} bytes`);
    const id = this.#codec.id(chunk);
    const known = this.#unconfirmed.get(id.toString("hex")) ?? this.#index.find(id);
    const ref = known ?? this.#store(chunk, id);
    if (ref.bytes !== chunk.length) throw misused(`its chunk index is wrong about ${ref.id}`);
    this.#stream.chunks.push(ref);
    this.#stream.hash.update(id);
    this.#stream.bytes += chunk.length;
    if (known !== undefined) return;
    this.#stream.newBytes += chunk.length;
    this.#stream.newChunks += 1;
  }

  endStream(): WrittenStream {
    this.#throwIfFailed();
    if (this.#stream === undefined) throw misused("a stream was ended before it was begun");
    const { hash, ...stream } = this.#stream;
    this.#stream = undefined;
    return { ...stream, hash: hash.digest("hex") };
  }

  get full(): boolean {
    const waiting = this.#uploads.keys().reduce((sum, upload) => sum + upload.waiting, 0);
    return waiting > maxWaiting || this.#uploads.size > maxUploads;
  }

  async drained({ signal }: { signal: AbortSignal }): Promise<void> {
    while (this.full) {
      this.#throwIfFailed();
      await settled(this.#changed.promise, signal);
    }
    this.#throwIfFailed();
  }

  /** Ends the last pack. When it resolves, the store has confirmed all of them. */
  async finish(): Promise<WrittenPacks> {
    this.#throwIfFailed();
    this.#endPack();
    await Promise.all(this.#uploads.values());
    this.#throwIfFailed();
    return { packs: [...this.#packs] };
  }

  /** Abandons what is not confirmed: the store keeps nothing half. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(misused("it is closed"));
    await Promise.all(this.#uploads.values());
    this.#index[Symbol.dispose]();
  }

  #store(chunk: Uint8Array, id: Buffer): ChunkRef {
    this.#growing ??= this.#beginPack();
    const ref = this.#growing.add(chunk, id, this.#codec);
    this.#unconfirmed.set(ref.id, ref);
    if (this.#growing.isFull(this.#options.packBytes ?? packBytes)) this.#endPack();
    return ref;
  }

  #beginPack(): PackUpload {
    const upload = new PackUpload(() => this.#notify());
    this.#uploads.set(upload, this.#upload(upload));
    return upload;
  }

  #endPack(): void {
    this.#growing?.end(this.#options.epoch);
    this.#growing = undefined;
  }

  /** Never rejects: a failure is everybody's. */
  async #upload(upload: PackUpload): Promise<void> {
    const { store, epoch } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal]);
    try {
      const key = packKey(epoch, upload.pack);
      const { size } = await store.put(key, upload.body(), { bulk: true, signal });
      if (size !== upload.size) throw missized(key, { size, expected: upload.size });
      this.#index.addPack({ pack: upload.pack, size }, upload.entries);
      this.#packs.push({ pack: upload.pack, size });
      for (const { id } of upload.entries)
        this.#unconfirmed.delete(Buffer.from(id).toString("hex"));
      this.#uploads.delete(upload);
      this.#notify();
    } catch (reason) {
      this.#fail(reason);
    }
  }

  #fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#stop.abort(this.#failure.reason);
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #throwIfFailed(): void {
    this.#options.signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}

const nothingNew = { newBytes: 0, newChunks: 0 };

interface GrowingStream {
  chunks: ChunkRef[];
  hash: ReturnType<typeof createHash>;
  bytes: number;
  newBytes: number;
  newChunks: number;
}

/** Waits for the promise, but no longer than until the signal aborts. */
async function settled(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function misused(what: string): DbctlError {
  return new DbctlError("internal-bug", `Cannot write chunks: ${what}`, {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}

function missized(key: string, { size, expected }: { size: number; expected: number }): DbctlError {
  return new DbctlError(
    "store-io",
    `Cannot trust the store: it kept ${size} bytes of ${key} instead of ${expected}`,
    { remedy: "Check the store; the backup was not committed" },
  );
}
