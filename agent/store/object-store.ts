/**
 * Where backups are kept. Objects are created once and never changed.
 *
 * Every method rejects with the signal's reason soon after the signal aborts, even while the other
 * side is silent, and a `put` that rejects leaves no object behind. Errors are `DbctlError`s that
 * name the object and carry a remedy: `store-denied`, `store-full`, `store-unreachable`, `store-io`,
 * `object-locked`.
 *
 * A key is one or more names with `/` between them; a name is letters, digits and `.-_=~+`, and does
 * not begin with a dot. Any other key is an `internal-bug`.
 */
export interface ObjectStore {
  /** How the store is named to people, for example `file:///backups`. Holds no secret. */
  readonly url: string;

  /** What this store can do and others cannot. A store that claims more breaks the contract. */
  readonly can: StoreCapabilities;

  /** Locks and holds, where `can` names them. */
  readonly locks?: ObjectLocks;

  /**
   * Creates the object, durably: when it resolves, the bytes survive a power cut. The bytes are
   * committed only after `body` ended without an error and the signal was looked at once more.
   * An object of that key that is there already is never replaced: rejects with
   * `object-exists`; of several racing puts one wins.
   */
  put(key: string, body: ObjectBody, options: PutOptions): Promise<ObjectInfo>;

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

  /**
   * The names that stand between `prefix`, which is empty or ends with `/`, and the next `/` of a
   * key, each once, in the order of keys. Does not walk what is below them, where the store has a way.
   */
  listFolders(prefix: string, options: { signal: AbortSignal }): AsyncIterable<string>;

  /**
   * Removes the object with all its versions; one that is not there is no error. Rejects with
   * `object-locked`, which says until when, while a lock or a hold protects it.
   */
  delete(key: string, options: { signal: AbortSignal }): Promise<void>;

  /**
   * Objects on which something was put after they had been created, or which somebody has hidden,
   * where the store keeps versions. What they were created with is what `get` gives all the same.
   */
  overwritten?(prefix: string, options: { signal: AbortSignal }): AsyncIterable<OverwrittenObject>;

  /** Whether it keeps versions of objects; undefined where we may not ask. */
  keepsVersions?(options: { signal: AbortSignal }): Promise<boolean | undefined>;
}

export interface OverwrittenObject {
  key: string;
  /** Versions and delete markers that lie on top of the first one. */
  later: number;
}

/** Bytes in pieces of any size; a piece must not change after it was handed over. */
export type ObjectBody = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface PutOptions {
  signal: AbortSignal;
  /** Most of the repository's bytes: may go to the storage class that the store's URL names. */
  bulk?: boolean;
}

export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
  /** By the store's own clock. Told by `head` and `list`. */
  created?: Date;
}

export interface StoreCapabilities {
  /**
   * Bodies of up to this many bytes are created only once by the store itself, even in a race.
   * Above it, the adapter looks first and creates then.
   */
  createOnlyBytes: number;
  /** Objects can be kept from being removed until a time. */
  objectLock: boolean;
  /** Objects can be kept from being removed until the hold is taken away. */
  legalHold: boolean;
  /** Names that a URL's `storage-class` may have. */
  storageClasses: readonly string[];
}

export interface ObjectLocks {
  get(key: string, options: { signal: AbortSignal }): Promise<ObjectLock>;
  /** Never shortens: an earlier time than the one that holds is refused with `object-locked`. */
  retain(key: string, until: RetainUntil, options: { signal: AbortSignal }): Promise<void>;
  setLegalHold(key: string, hold: boolean, options: { signal: AbortSignal }): Promise<void>;
}

export interface ObjectLock {
  retain?: RetainUntil;
  legalHold: boolean;
}

/** `governance` can be lifted by whoever has that right, `compliance` by nobody. */
export interface RetainUntil {
  mode: "governance" | "compliance";
  until: Date;
}

export interface ByteRange {
  offset: number;
  length: number;
}
