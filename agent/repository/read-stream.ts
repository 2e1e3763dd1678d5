import type { ObjectStore } from "../store/object-store.ts";
import type { EpochKeys } from "./epoch.ts";
import type { StreamMap } from "./map.ts";

export interface ReadStreamOptions {
  store: ObjectStore;
  epoch: EpochKeys;
  map: StreamMap;
  signal: AbortSignal;
}

/** The chunks of the stream, one by one, each checked before it is handed out. */
export declare function readStream(options: ReadStreamOptions): AsyncIterable<Uint8Array>;
