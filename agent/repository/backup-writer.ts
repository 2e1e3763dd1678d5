import { createHash } from "node:crypto";
import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { assertPacksThere } from "./assert-packs-there.ts";
import { ChunkIndex } from "./chunk-index.ts";
import type { WrittenPacks } from "./chunk-writer.ts";
import type { HostState } from "./host-state.ts";
import { type BackupId, newBackupId } from "./identifier.ts";
import type { WrittenStream } from "./map.ts";
import { encodeMap, refBytes } from "./map-bytes.ts";
import type { BackupHeader, BackupSource } from "./manifest.ts";
import { encodeBody, encodeHeader } from "./manifest-bytes.ts";
import { intentKey, manifestKey, mapKey } from "./object-key.ts";
import type { RepositoryInfo } from "./open-repository.ts";

export interface BackupWriterOptions {
  store: ObjectStore;
  repository: RepositoryInfo;
  state: HostState;
  /** When the backup began. */
  started: Date;
  signal: AbortSignal;
}

export interface BackupContent {
  /** Anything that is JSON; given back by `openBackup` as `unknown`. */
  body: unknown;
  source: BackupSource;
  kind: "logical";
  state: "complete" | "partial";
  finished: Date;
  /** Of all chunk writers. */
  packs: WrittenPacks;
}

/** Announces the backup in the store, before the first chunk is looked up. */
export async function openBackupWriter(options: BackupWriterOptions): Promise<BackupWriter> {
  const { store, state, started, signal } = options;
  const { repository, instance, epoch } = state.epoch;
  const id = newBackupId(started, state.last?.id);
  const intent = { format: 1, repository, instance, epoch, backup: id, started };
  const json = Buffer.from(JSON.stringify(intent));
  await store.put(intentKey({ instance, id }), [json], { signal });
  return new BackupWriter(options, id);
}

/** References that are kept in memory before a map is written. */
const mapBytes = 8 << 20;

/** Collects the streams of one backup and makes it a backup. Disposing removes the intent. */
export class BackupWriter implements AsyncDisposable {
  readonly id: BackupId;
  readonly #options: BackupWriterOptions;
  readonly #live = new Map<string, Map<number, number>>();
  readonly #maps: BackupHeader["maps"] = [];
  readonly #streams: number[][] = [];
  readonly #numbers = new Set<number>();
  readonly #sizes = { read: 0, new: 0 };
  /** How often its streams refer to a chunk, and how many of those were new. */
  readonly chunks = { all: 0, new: 0 };
  #waiting = new Map<number, WrittenStream>();
  #waitingBytes = 0;
  #flushed: Promise<void> = Promise.resolve();
  #committed = false;

  constructor(options: BackupWriterOptions, id: BackupId) {
    this.#options = options;
    this.id = id;
  }

  /** Streams come in any order; each number once. Waits while a map is being written. */
  async addStream(stream: number, map: WrittenStream): Promise<void> {
    if (this.#numbers.has(stream)) throw misused(`stream ${stream} came twice`);
    this.#numbers.add(stream);
    this.#waiting.set(stream, map);
    this.#waitingBytes += map.chunks.length * refBytes;
    this.#sizes.read += map.bytes;
    this.#sizes.new += map.newBytes;
    this.chunks.all += map.chunks.length;
    this.chunks.new += map.newChunks;
    for (const { pack, offset, stored } of map.chunks) {
      const frames = this.#live.get(pack) ?? new Map<number, number>();
      this.#live.set(pack, frames.set(offset, stored));
    }
    if (this.#waitingBytes >= mapBytes) await this.#flush();
  }

  /**
   * Writes the last map and then the manifest: when it resolves, there is a backup. Every chunk
   * writer must have finished before.
   */
  async commit(content: BackupContent): Promise<{ id: string; header: BackupHeader }> {
    const { store, state, started, signal } = this.#options;
    const packs = this.#livePacks();
    await this.#flush();
    const body = encodeBody(state.epoch, this.id, {
      streams: this.#streams,
      content: content.body,
    });
    const header = this.#header(content, { packs, body });
    const { bytes, hash } = encodeHeader(header, state.signer);
    const link = { id: this.id, sequence: header.sequence, hash };
    const { finished } = content;
    await assertPacksThere({ store, epoch: state.epoch, packs, started, finished, signal });
    await state.reserve(link);
    await store.put(manifestKey(header), [bytes, body], { signal });
    this.#committed = true;
    await state.confirm(link);
    return { id: this.id, header };
  }

  /** A host that may not delete (SEC-07) leaves the intent; it ends by its age. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { store, state } = this.#options;
    await this.#flushed.catch(() => {});
    const key = intentKey({ instance: state.epoch.instance, id: this.id });
    try {
      // The backup's own signal may have aborted.
      await store.delete(key, { signal: AbortSignal.timeout(30_000) });
    } catch (error) {
      const isDenied = error instanceof DbctlError && error.code === "store-denied";
      // A backup that failed has an error of its own, which this one must not hide.
      if (this.#committed && !isDenied) throw error;
    }
  }

  /** One map after the other; a failed one fails all that follow. */
  #flush(): Promise<void> {
    const streams = this.#waiting;
    if (streams.size > 0) {
      this.#waiting = new Map();
      this.#waitingBytes = 0;
      this.#flushed = this.#flushed.then(() => this.#writeMap(streams));
    }
    return this.#flushed;
  }

  async #writeMap(streams: ReadonlyMap<number, WrittenStream>): Promise<void> {
    const { store, state, signal } = this.#options;
    const name = { id: this.id, map: this.#maps.length };
    const bytes = encodeMap(state.epoch, name, streams);
    const { instance } = state.epoch;
    await store.put(mapKey({ instance, id: this.id }, name.map), [bytes], { signal });
    this.#maps.push({ size: bytes.length, sha256: sha256(bytes), streams: streams.size });
    this.#streams.push([...streams.keys()]);
  }

  /** All packs that are referred to; each must be in the index, so the store has confirmed it. */
  #livePacks(): BackupHeader["packs"] {
    using index = new ChunkIndex(this.#options.state.indexPath);
    const sizes = new Map(index.packs().map(({ pack, size }) => [pack, size]));
    return [...this.#live].map(([pack, frames]) => {
      const size = sizes.get(pack);
      if (size === undefined) throw misused(`pack ${pack} is not confirmed`);
      return { pack, size, live: frames.values().reduce((sum, stored) => sum + stored, 0) };
    });
  }

  #header(
    { source, kind, state: how, finished, packs: written }: BackupContent,
    { packs, body }: { packs: BackupHeader["packs"]; body: Buffer },
  ): BackupHeader {
    const { state, started } = this.#options;
    const { repository, instance, epoch } = state.epoch;
    const { last } = state;
    const stored = written.packs.reduce((sum, { size }) => sum + size, 0);
    return {
      format: 1,
      repository,
      instance,
      epoch,
      id: this.id,
      kind,
      state: how,
      source,
      started: started.toISOString(),
      finished: finished.toISOString(),
      sequence: state.nextSequence,
      previous: last && { id: last.id, hash: last.hash },
      signer: state.signer.public,
      sizes: { ...this.#sizes, stored },
      packs,
      maps: this.#maps,
      body: { size: body.length, sha256: sha256(body) },
    };
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function misused(what: string): DbctlError {
  return new DbctlError("internal-bug", `Cannot write the backup: ${what}`, {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}
