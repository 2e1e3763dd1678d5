import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { type CompletedIndex, completeIndex } from "./complete-index.ts";
import type { EpochKeys } from "./epoch.ts";
import { epochKeysOf, sealEpochFile } from "./epoch-file.ts";
import { newTimedId, parseInstanceId } from "./identifier.ts";
import { findEpochFile } from "./find-epoch-file.ts";
import { endedKey, epochKey, manifestKey } from "./object-key.ts";
import type { RepositoryInfo } from "./open-repository.ts";
import { lockFile } from "./process-lock.ts";
import { generateSigningKey, type SigningKey } from "./signer.ts";
import { loadState, type ManifestLink, type SavedState, saveState } from "./state-file.ts";

export interface HostStateOptions {
  /** Folder of all states of this host. */
  stateDir: string;
  repository: RepositoryInfo;
  /** The server's id. */
  instance: string;
  store: ObjectStore;
  /** Begin a new epoch, whatever is there. */
  fresh: boolean;
  now: Date;
  signal: AbortSignal;
}

/** Of an epoch's life. */
export const maxEpochAgeMs = 30 * 24 * 3600 * 1000;

/**
 * What this host knows of one server's backups: the key of the current epoch, its chunks, the key
 * that signs. `busy` while another process holds it. A new epoch begins when there is no state, by
 * age, when asked for, and when the store has lost the old one's key.
 */
export async function openHostState(options: HostStateOptions): Promise<HostState> {
  const { stateDir, repository, store, fresh, now, signal } = options;
  const instance = parseInstanceId(options.instance);
  const folder = await makeFolder(join(stateDir, repository.id, instance));
  using stack = new DisposableStack();
  stack.use(lockFile(join(folder, "lock.sqlite"), `the state of server ${instance}`));
  // What `fresh` is for may be a state that cannot be read, or a key that someone else has.
  const loaded = fresh ? undefined : await loadState(folder);
  const known = loaded && (await settlePending(loaded, { store, signal }));
  let saved = known;
  if (saved !== undefined && (await isUsable(saved, { store, now, signal })))
    await completeIfAllowed(indexPathOf(folder, saved), saved, { store, signal });
  else saved = await beginEpoch(instance, known, options);
  await saveState(folder, saved);
  await removeOldIndexes(folder, saved);
  new ChunkIndex(indexPathOf(folder, saved))[Symbol.dispose]();
  return new HostState(folder, saved, stack.move());
}

/**
 * Makes the list of the current epoch's chunks anew, from the packs. Gives undefined when this host
 * has no state of the server; `busy` while a backup uses it, `store-denied` when it may not read.
 */
export async function rebuildIndex(
  options: Pick<HostStateOptions, "stateDir" | "repository" | "instance" | "store" | "signal">,
): Promise<CompletedIndex | undefined> {
  const { stateDir, repository, store, signal } = options;
  const instance = parseInstanceId(options.instance);
  const folder = join(stateDir, repository.id, instance);
  if (!existsSync(folder)) return undefined;
  using _lock = lockFile(join(folder, "lock.sqlite"), `the state of server ${instance}`);
  const saved = await loadState(folder);
  if (saved === undefined) return undefined;
  const path = indexPathOf(folder, saved);
  // The old one is given up when the new one is there: a host that may not read keeps it.
  const fresh = `${path}.new`;
  await removeFiles(folder, fresh);
  const done = await completeIndex(fresh, { store, epoch: keysOf(saved), signal });
  await removeFiles(folder, path, { but: fresh });
  await rename(fresh, path);
  return done;
}

/** Those whose path begins so. */
async function removeFiles(folder: string, path: string, { but = "" } = {}): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = join(folder, name);
    if (found.startsWith(path) && found !== but) await rm(found);
  }
}

/** Held open during one backup. */
export class HostState implements AsyncDisposable {
  readonly epoch: EpochKeys;
  /** The file of the epoch's chunks; every thread opens it for itself. */
  readonly indexPath: string;
  readonly #folder: string;
  readonly #lock: Disposable;
  #saved: SavedState;

  constructor(folder: string, saved: SavedState, lock: Disposable) {
    this.epoch = keysOf(saved);
    this.indexPath = indexPathOf(folder, saved);
    this.#folder = folder;
    this.#lock = lock;
    this.#saved = saved;
  }

  get signer(): SigningKey {
    return this.#saved.signer;
  }

  /** The manifest that the next one follows. */
  get last(): ManifestLink | null {
    return this.#saved.last;
  }

  /** The next manifest's number; no number is ever used twice. */
  get nextSequence(): number {
    return nextSequence(this.#saved);
  }

  /** To be called before the manifest is put, so that a crash cannot break the chain. */
  async reserve(link: ManifestLink): Promise<void> {
    await this.#save({ ...this.#saved, pending: link });
  }

  /** To be called when the manifest is in the store. */
  async confirm(link: ManifestLink): Promise<void> {
    await this.#save({ ...this.#saved, last: link, pending: null });
  }

  async #save(saved: SavedState): Promise<void> {
    await saveState(this.#folder, saved);
    this.#saved = saved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lock[Symbol.dispose]();
  }
}

function nextSequence({ last, pending }: SavedState): number {
  return Math.max(last?.sequence ?? 0, pending?.sequence ?? 0) + 1;
}

function keysOf({ epoch, signer }: SavedState): EpochKeys {
  return epochKeysOf({ ...epoch, format: 1, signer: signer.public });
}

function indexPathOf(folder: string, { epoch }: SavedState): string {
  return join(folder, `index-${epoch.epoch}.sqlite`);
}

async function makeFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch (cause) {
    const { message } = cause as Error;
    throw new DbctlError("cannot-create", `Cannot make the state folder ${folder}: ${message}`, {
      remedy: "Name a folder that dbctl's user may write to in DBCTL_STATE_DIR",
      cause,
    });
  }
}

interface Waiting {
  store: ObjectStore;
  signal: AbortSignal;
}

/** Young enough, not ended by an operator, and the store still has the key that its backups need. */
async function isUsable(
  { epoch }: SavedState,
  { store, now, signal }: Waiting & { now: Date },
): Promise<boolean> {
  if (now.getTime() - Date.parse(epoch.created) > maxEpochAgeMs) return false;
  const found = await ifAllowed(() => findEpochFile(store, epoch, { signal }), "unknown");
  const ended = await ifAllowed(() => store.head(endedKey(epoch), { signal }), undefined);
  return found !== undefined && ended === undefined;
}

/** Finds out whether the manifest that was under way when the last process died is there. */
async function settlePending(saved: SavedState, { store, signal }: Waiting): Promise<SavedState> {
  const { pending, epoch } = saved;
  if (pending === null) return saved;
  const key = manifestKey({ instance: epoch.instance, id: pending.id });
  const found = await ifAllowed(() => store.head(key, { signal }), undefined);
  return found === undefined ? saved : { ...saved, last: pending, pending: null };
}

/** A host that may not read goes on with the index that it has; a lost one begins empty. */
async function completeIfAllowed(
  path: string,
  saved: SavedState,
  { store, signal }: Waiting,
): Promise<void> {
  await ifAllowed(() => completeIndex(path, { store, epoch: keysOf(saved), signal }), undefined);
}

/** A host that may only create (SEC-07) is told `store-denied`, and goes on with what it knows. */
async function ifAllowed<T, Otherwise>(
  act: () => Promise<T>,
  otherwise: Otherwise,
): Promise<T | Otherwise> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof DbctlError && error.code === "store-denied") return otherwise;
    throw error;
  }
}

/** The key is in the store before it is used. The signing key outlives epochs, its chain with it. */
async function beginEpoch(
  instance: string,
  known: SavedState | undefined,
  { repository, store, now, signal }: HostStateOptions,
): Promise<SavedState> {
  const epoch = {
    repository: repository.id,
    instance,
    epoch: newTimedId(now),
    key: randomBytes(32).toString("hex"),
    created: now.toISOString(),
  };
  const signer = known?.signer ?? generateSigningKey();
  const file = { format: 1 as const, ...epoch, signer: signer.public };
  const bytes = await sealEpochFile(
    file,
    repository.recipients.map(({ recipient }) => recipient),
  );
  await store.put(epochKey(epoch), [bytes], { signal });
  const { last = null, pending = null } = known ?? {};
  return { format: 1, epoch, signer, last, pending };
}

async function removeOldIndexes(folder: string, saved: SavedState): Promise<void> {
  const current = indexPathOf(folder, saved);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.startsWith("index-") && !path.startsWith(current)) await rm(path);
  }
}
