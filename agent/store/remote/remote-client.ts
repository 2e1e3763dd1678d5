import type { ByteRange, ObjectInfo, ObjectLocks } from "../object-store.ts";
import type { OverwrittenObject, StoreCapabilities } from "../object-store.ts";

/**
 * What an adapter of a cloud gives: one request per call, no retries and no buffers of its own;
 * the SDK's own retries are off. `createRemoteStore` makes an `ObjectStore` of it.
 *
 * Every call ends with the signal's reason soon after it aborts. Any other error is one that
 * `remoteFailure` made: a `DbctlError` whose `retryable` says whether the same request may succeed.
 */
export interface RemoteClient {
  readonly url: string;
  readonly can: StoreCapabilities;
  readonly locks?: ObjectLocks;

  /**
   * Creates the object in one request, only if there is none (`object-exists`). The store checks
   * what arrived against a checksum of `bytes`. Of up to `can.createOnlyBytes` bytes, or less.
   */
  create(key: string, bytes: Buffer, options: CreateOptions): Promise<void>;

  /** Begins an object in parts; nothing is seen of it until it is completed. */
  beginUpload(key: string, options: CreateOptions): Promise<RemoteUpload>;

  /** The bytes of the range, or of the whole object; `object-missing`. May be cut off: counted. */
  read(key: string, options: { range?: ByteRange; signal: AbortSignal }): AsyncIterable<Uint8Array>;

  head(key: string, options: { signal: AbortSignal }): Promise<ObjectInfo | undefined>;

  /** One page, in byte order. With `folders`, keys are cut at the next `/` after the prefix. */
  listPage(prefix: string, options: PageOptions): Promise<Page>;

  /** With all versions; content when there is none; `object-locked`. */
  remove(key: string, options: { signal: AbortSignal }): Promise<void>;

  /** One page of `ObjectStore.overwritten`. */
  overwrittenPage?(
    prefix: string,
    options: { token?: string; signal: AbortSignal },
  ): Promise<{ objects: OverwrittenObject[]; next?: string }>;

  keepsVersions?(options: { signal: AbortSignal }): Promise<boolean | undefined>;
}

export interface CreateOptions {
  bulk: boolean;
  signal: AbortSignal;
  pace?: Pace;
}

/**
 * To be awaited before the next so many bytes of a request's body go out, at most 64 KiB at once:
 * keeps a cap on the rate, and tells that something moves. A call in which nothing has moved for 60 s
 * is ended and tried again, so a client that does not ask has to send its whole body in that time.
 * `sendPaced` makes such a body.
 */
export type Pace = (bytes: number) => Promise<void>;

/** An object that grows in parts. Parts come in any order, several at once. */
export interface RemoteUpload {
  /** This one takes a part only when the one before it is there. */
  readonly inOrder?: boolean;
  /** `number` counts from 1. The store checks what arrived against a checksum. */
  put(number: number, bytes: Buffer, options: { signal: AbortSignal; pace?: Pace }): Promise<void>;
  /** All parts are there. `object-exists` where the store can tell. */
  complete(options: { signal: AbortSignal }): Promise<void>;
  /** The store forgets the parts. */
  abort(options: { signal: AbortSignal }): Promise<void>;
}

export interface PageOptions {
  folders: boolean;
  /** What the page before gave as `next`. */
  token?: string;
  signal: AbortSignal;
}

export interface Page {
  objects: ObjectInfo[];
  /** Names without the prefix and the slash; only with `folders`. */
  folders: string[];
  /** Undefined on the last page. */
  next?: string;
}
