import type { Secret } from "../../core/secret.ts";
import { type InstanceObjects, listInstances } from "../check/instance-objects.ts";
import { readHeaders } from "../check/read-headers.ts";
import { epochKeysOf } from "../repository/epoch-file.ts";
import { FrameList } from "../repository/frame-list.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { openBackup, readEpoch } from "../repository/open-backup.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** Bytes, as everywhere here. */
export interface DatabaseStats {
  instance: string;
  /** `host/database`. */
  database: string;
  backups: number;
  partial: number;
  epochs: number;
  /** When its first and its newest backup began, ISO 8601. */
  oldest: string;
  newest: string;
  /** Of all streams of all backups: what restoring each of them would give. */
  referenced: number;
  /** Of the chunks that were new when they were met. */
  new: number;
  /** Of the packs that were written for its backups. */
  stored: number;
}

/** What the packs of an epoch hold. */
export interface EpochStats {
  instance: string;
  epoch: string;
  backups: number;
  packs: number;
  stored: number;
  /** Packs that no backup needs: one is running, or a prune will remove them. */
  orphaned: { packs: number; bytes: number };
  /** In packs that are needed: what no backup needs. Without a key, known only between two bounds. */
  dead: { atLeast: number; atMost: number };
  /** With a key: the different chunks, and how often backups refer to one. */
  chunks?: { different: number; references: number; bytes: number; stored: number };
}

export interface RepositoryStats {
  databases: DatabaseStats[];
  epochs: EpochStats[];
  totals: {
    backups: number;
    referenced: number;
    /** Of all packs that are there. */
    stored: number;
    /** Of maps and manifests. */
    described: number;
    saved: number;
    oldest: string | null;
    newest: string | null;
  };
  /** Manifests that cannot be read: they are in no figure. */
  unreadable: { object: string; what: string }[];
}

interface Request {
  store: ObjectStore;
  repository: { id: string };
  /** Opens the maps, so that chunks can be counted. */
  identity: Secret | undefined;
  signal: AbortSignal;
}

/** What is in a repository, by its signed headers and what the store lists. */
export async function repositoryStats(request: Request): Promise<RepositoryStats> {
  const { store, repository, signal } = request;
  const stats: RepositoryStats = {
    databases: [],
    epochs: [],
    totals: { ...noTotals },
    unreadable: [],
  };
  for await (const objects of listInstances(store, { found: () => {}, signal })) {
    const read = await readHeaders(store, objects, { repository: repository.id, signal });
    const headers = read.headers.map(({ header }) => header);
    stats.unreadable.push(...read.findings.map(({ object, what }) => ({ object, what })));
    stats.databases.push(...databasesOf(headers));
    for (const epoch of new Set([...objects.packs.keys(), ...headers.map((one) => one.epoch)])) {
      const ofEpoch = headers.filter((one) => one.epoch === epoch);
      stats.epochs.push(await statsOfEpoch(request, { objects, epoch, headers: ofEpoch }));
    }
    const own = [...objects.manifests.values(), ...objects.maps.values()];
    stats.totals.described += sum(own.map(({ size }) => size));
  }
  return { ...stats, totals: { ...stats.totals, ...totalsOf(stats) } };
}

const noTotals = {
  backups: 0,
  referenced: 0,
  stored: 0,
  described: 0,
  saved: 0,
  oldest: null,
  newest: null,
};

function totalsOf({ databases, epochs }: RepositoryStats) {
  const referenced = sum(databases.map((one) => one.referenced));
  const stored = sum(epochs.map((one) => one.stored));
  return {
    backups: sum(databases.map((one) => one.backups)),
    referenced,
    stored,
    saved: referenced - stored,
    oldest: databases.map((one) => one.oldest).toSorted(byText)[0] ?? null,
    newest:
      databases
        .map((one) => one.newest)
        .toSorted(byText)
        .at(-1) ?? null,
  };
}

function databasesOf(headers: readonly BackupHeader[]): DatabaseStats[] {
  const groups = Map.groupBy(headers, ({ source }) => `${source.host}/${source.database}`);
  return [...groups].map(([database, group]) => {
    const started = group.map((one) => one.started).toSorted(byText);
    return {
      instance: group[0]?.instance ?? "",
      database,
      backups: group.length,
      partial: group.filter(({ state }) => state === "partial").length,
      epochs: new Set(group.map(({ epoch }) => epoch)).size,
      oldest: started[0] ?? "",
      newest: started.at(-1) ?? "",
      referenced: sum(group.map(({ sizes }) => sizes.read)),
      new: sum(group.map(({ sizes }) => sizes.new)),
      stored: sum(group.map(({ sizes }) => sizes.stored)),
    };
  });
}

interface EpochPlace {
  objects: InstanceObjects;
  epoch: string;
  headers: readonly BackupHeader[];
}

async function statsOfEpoch(
  request: Request,
  { objects, epoch, headers }: EpochPlace,
): Promise<EpochStats> {
  const { instance } = objects;
  const there = objects.packs.get(epoch) ?? new Map<string, number>();
  const live = liveOf(headers);
  const needed = [...there].filter(([pack]) => live.has(pack));
  const orphaned = [...there].filter(([pack]) => !live.has(pack));
  const figures = {
    instance,
    epoch,
    backups: headers.length,
    packs: there.size,
    stored: sum([...there.values()]),
    orphaned: { packs: orphaned.length, bytes: sum(orphaned.map(([, size]) => size)) },
  };
  const bytes = sum(needed.map(([, size]) => size));
  if (request.identity === undefined || headers.length === 0) {
    const atLeast = sum(
      needed.map(([pack, size]) => size - Math.min(size, live.get(pack)?.sum ?? 0)),
    );
    const atMost = sum(needed.map(([pack, size]) => size - (live.get(pack)?.most ?? 0)));
    return { ...figures, dead: { atLeast, atMost } };
  }
  const chunks = await countChunks({ ...request, identity: request.identity }, headers);
  const dead = bytes - chunks.stored;
  return { ...figures, dead: { atLeast: dead, atMost: dead }, chunks };
}

/** By pack: bytes that one backup needs at most, and all of them together if they shared nothing. */
function liveOf(headers: readonly BackupHeader[]): Map<string, { most: number; sum: number }> {
  const packs = new Map<string, { most: number; sum: number }>();
  for (const { pack, live } of headers.flatMap((header) => header.packs)) {
    const known = packs.get(pack) ?? { most: 0, sum: 0 };
    packs.set(pack, { most: Math.max(known.most, live), sum: known.sum + live });
  }
  return packs;
}

async function countChunks(
  { store, repository, identity, signal }: Request & { identity: Secret },
  headers: readonly BackupHeader[],
): Promise<NonNullable<EpochStats["chunks"]>> {
  using frames = new FrameList();
  let references = 0;
  const [first] = headers;
  if (first === undefined) return { different: 0, references, bytes: 0, stored: 0 };
  const place = { ...first, repository: repository.id };
  const epoch = epochKeysOf(await readEpoch(store, place, { identity, signal }));
  for (const header of headers) {
    const backup = await openBackup({ store, repository, header, keys: { epoch }, signal });
    for (const stream of backup.streams) {
      const { chunks } = await backup.streamMap(stream);
      references += chunks.length;
      frames.add(chunks.map((ref) => ({ ref, chosen: false })));
    }
  }
  const { chunks: different, bytes, stored } = frames.totals();
  return { different, references, bytes, stored };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
