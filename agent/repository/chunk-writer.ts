import type { ChunkTarget } from "../pipeline/row-chunker.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { EpochKeys } from "./epoch.ts";
import type { WrittenStream } from "./map.ts";

export interface ChunkWriterOptions {
  store: ObjectStore;
  epoch: EpochKeys;
  indexPath: string;
  signal: AbortSignal;
}

/** Packs that the store has confirmed. Plain data: it crosses threads. */
export interface WrittenPacks {
  packs: { pack: string; size: number }[];
}

export declare class ChunkWriter implements ChunkTarget, AsyncDisposable {
  constructor(options: ChunkWriterOptions);
  add(chunk: Uint8Array): void;
  get full(): boolean;
  drained(options: { signal: AbortSignal }): Promise<void>;
  beginStream(): void;
  endStream(): WrittenStream;
  /** Every pack is confirmed by the store, or this rejects. */
  finish(): Promise<WrittenPacks>;
  /** Without `finish` before: abandons what is not confirmed. */
  [Symbol.asyncDispose](): Promise<void>;
}
