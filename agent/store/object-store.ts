/**
 * Where backups are kept. Objects are created once and never changed.
 *
 * Every method rejects with the signal's reason soon after the signal aborts, even while the other
 * side is silent, and a `put` that rejects leaves no object behind. Errors are `DbctlError`s that
 * name the object and carry a remedy: `store-denied`, `store-full`, `store-unreachable`, `store-io`.
 *
 * A key is one or more names with `/` between them; a name is letters, digits and `.-_=~+`, and does
 * not begin with a dot. Any other key is an `internal-bug`.
 */
export interface ObjectStore {
  /** How the store is named to people, for example `file:///backups`. Holds no secret. */
  readonly url: string;

  /**
   * Creates the object, durably: when it resolves, the bytes survive a power cut. The bytes are
   * committed only after `body` ended without an error and the signal was looked at once more.
   * An object of that key that is there already is never replaced: rejects with
   * `object-exists`; of several racing puts one wins.
   */
  put(key: string, body: ObjectBody, options: { signal: AbortSignal }): Promise<ObjectInfo>;

  /**
   * The object's bytes, or those of a range (`offset`, `length` in bytes). Rejects with
   * `object-missing`; a range that reaches past the end rejects with `repository-damaged`. The
   * pieces are the caller's own, to change or to release.
   */
  get(key: string, options: { range?: ByteRange; signal: AbortSignal }): AsyncIterable<Uint8Array>;

  /** The object's size, or undefined when there is none. */
  head(key: string, options: { signal: AbortSignal }): Promise<ObjectInfo | undefined>;

  /** All objects whose key begins with `prefix`, in the byte order of their keys. */
  list(prefix: string, options: { signal: AbortSignal }): AsyncIterable<ObjectInfo>;

  /** Removes the object; one that is not there is no error. */
  delete(key: string, options: { signal: AbortSignal }): Promise<void>;
}

/** Bytes in pieces of any size; a piece must not change after it was handed over. */
export type ObjectBody = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
}

export interface ByteRange {
  offset: number;
  length: number;
}
