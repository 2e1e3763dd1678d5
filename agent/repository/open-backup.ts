import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { DbctlError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { damaged } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { type EpochFile, epochKeysOf, maxEpochFileBytes, openEpochFile } from "./epoch-file.ts";
import type { StreamMap } from "./map.ts";
import { MapReader, maxMapBytes } from "./map-bytes.ts";
import type { BackupHeader } from "./manifest.ts";
import { decodeBody, type ManifestBody } from "./manifest-bytes.ts";
import { findEpochFile } from "./find-epoch-file.ts";
import { epochKey, manifestKey, mapKey } from "./object-key.ts";
import type { RepositoryInfo } from "./open-repository.ts";
import { readHeader } from "./read-header.ts";
import { readObject } from "./read-object.ts";

export interface OpenBackupOptions {
  store: ObjectStore;
  repository: Pick<RepositoryInfo, "id">;
  header: BackupHeader;
  /** age identities, one a line, of which one may open the epoch; or the epoch's key itself. */
  keys: { identity: Secret } | { epoch: EpochKeys };
  signal: AbortSignal;
}

/**
 * Opens the sealed part of a backup. `identity-wrong` when the key is not one of this backup's;
 * `repository-damaged` when anything is not what was written, or was written for another place.
 */
export async function openBackup(options: OpenBackupOptions): Promise<OpenBackup> {
  const { store, repository, header: expected, signal } = options;
  const object = manifestKey(expected);
  const { header, bodyAt } = await readHeader(store, object, { signal });
  if (!isDeepStrictEqual(header, expected))
    throw damaged(object, "it is not the one that was listed before");
  if (header.repository !== repository.id)
    throw damaged(object, `it belongs to repository ${header.repository}`);
  const epoch = await openEpoch(options);
  const { size, sha256 } = header.body;
  const range = { offset: bodyAt, length: size };
  const bytes = await readObject(store, object, { max: size, range, signal });
  if (hashOf(bytes) !== sha256) throw damaged(object, "its body is not the one that was signed");
  const body = decodeBody(epoch, header.id, { bytes, object });
  return new OpenBackup({ store, header, epoch, body, signal });
}

async function openEpoch({ store, header, keys, signal }: OpenBackupOptions): Promise<EpochKeys> {
  const object = epochKey(header);
  if ("epoch" in keys) {
    const { repository, instance, epoch } = keys.epoch;
    if (isDeepStrictEqual([repository, instance, epoch], placeOf(header))) return keys.epoch;
    throw new DbctlError("identity-wrong", `Cannot open ${object}: the key is of another epoch`, {
      remedy: "Name the identity file of one of the repository's recipients",
    });
  }
  return epochKeysOf(await readEpochFile(store, header, { identity: keys.identity, signal }));
}

/** The file of an epoch, opened with an identity; it must be that very epoch's. */
export async function readEpoch(
  store: ObjectStore,
  epoch: { repository: string; instance: string; epoch: string },
  { identity, signal }: { identity: Secret; signal: AbortSignal },
): Promise<EpochFile> {
  const { object, sealed } = await readSealedEpoch(store, epoch, { signal });
  const file = await openEpochFile(sealed, identity, object);
  const place = [epoch.repository, epoch.instance, epoch.epoch];
  if (!isDeepStrictEqual([file.repository, file.instance, file.epoch], place))
    throw damaged(object, `it is the key of ${file.instance}, epoch ${file.epoch}`);
  return file;
}

/** A rotation may remove the object that was found: then there is a later one. */
async function readSealedEpoch(
  store: ObjectStore,
  epoch: { instance: string; epoch: string },
  { signal }: { signal: AbortSignal },
): Promise<{ object: string; sealed: Buffer }> {
  for (let last = ""; ;) {
    const object = (await findEpochFile(store, epoch, { signal }))?.key ?? epochKey(epoch);
    try {
      return {
        object,
        sealed: await readObject(store, object, { max: maxEpochFileBytes, signal }),
      };
    } catch (error) {
      const isGone = error instanceof DbctlError && error.code === "object-missing";
      if (!isGone || object === last) throw error;
      last = object;
    }
  }
}

/** The epoch's file of a backup, opened with an identity; it must be that very epoch's. */
export async function readEpochFile(
  store: ObjectStore,
  header: BackupHeader,
  { identity, signal }: { identity: Secret; signal: AbortSignal },
): Promise<EpochFile> {
  const file = await readEpoch(store, header, { identity, signal });
  if (file.signer !== header.signer)
    throw damaged(manifestKey(header), "it was signed by another host than the epoch's");
  return file;
}

function placeOf({ repository, instance, epoch }: BackupHeader): string[] {
  return [repository, instance, epoch];
}

interface Content {
  store: ObjectStore;
  header: BackupHeader;
  epoch: EpochKeys;
  body: ManifestBody;
  signal: AbortSignal;
}

/** Maps that are kept in memory at once. */
const maxOpenMaps = 4;

/** A backup whose manifest is open. Its maps are read when they are asked for. */
export class OpenBackup {
  readonly store: ObjectStore;
  readonly header: BackupHeader;
  readonly epoch: EpochKeys;
  /** What the writer's caller put there. Not checked beyond being JSON. */
  readonly body: unknown;
  readonly #signal: AbortSignal;
  readonly #mapOf: Map<number, number>;
  readonly #open = new Map<number, Promise<MapReader>>();

  constructor({ store, header, epoch, body, signal }: Content) {
    this.store = store;
    this.header = header;
    this.epoch = epoch;
    this.body = body.content;
    this.#signal = signal;
    const pairs = body.streams.flatMap((streams, map) =>
      streams.map((stream): [number, number] => [stream, map]),
    );
    this.#mapOf = new Map(pairs);
    const counts = body.streams.map((streams) => streams.length);
    const expected = header.maps.map(({ streams }) => streams);
    if (!isDeepStrictEqual(counts, expected) || this.#mapOf.size !== pairs.length)
      throw damaged(manifestKey(header), "its streams do not fit its maps");
  }

  /** All stream numbers. */
  get streams(): number[] {
    return [...this.#mapOf.keys()];
  }

  /** The streams that are in map n. */
  streamsOfMap(map: number): number[] {
    return this.streams.filter((stream) => this.#mapOf.get(stream) === map);
  }

  async streamMap(stream: number): Promise<StreamMap> {
    const map = this.#mapOf.get(stream);
    if (map === undefined)
      throw damaged(manifestKey(this.header), `there is no stream ${stream} in it`);
    let reader = this.#open.get(map);
    if (reader === undefined) {
      const [oldest] = this.#open.keys();
      if (this.#open.size >= maxOpenMaps && oldest !== undefined) this.#open.delete(oldest);
      reader = this.#readMap(map);
      this.#open.set(map, reader);
    }
    return (await reader).stream(stream);
  }

  async #readMap(map: number): Promise<MapReader> {
    const object = mapKey(this.header, map);
    const { size = 0, sha256 } = this.header.maps[map] ?? {};
    const bytes = await readObject(this.store, object, {
      max: Math.min(size, maxMapBytes),
      signal: this.#signal,
    });
    if (hashOf(bytes) !== sha256) throw damaged(object, "it is not the one that was signed");
    return new MapReader(this.epoch, { id: this.header.id, map }, { bytes, object });
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
