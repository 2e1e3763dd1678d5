import type { Engine, Part, ServerFacts, Snapshot, TableData } from "../engines/engine.ts";
import type { SnapshotTicket, UnsupportedObject } from "../engines/engine.ts";
import { type Lane, onEvery, openLanes, runOnLanes, type StoredPart } from "../lanes/lane.ts";
import { addSums, emptySums, type RowSums } from "../pipeline/row-chunker.ts";
import { type BackupWriter, openBackupWriter } from "../repository/backup-writer.ts";
import type { WrittenPacks } from "../repository/chunk-writer.ts";
import { type HostState, openHostState } from "../repository/host-state.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import type { RepositoryInfo } from "../repository/open-repository.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { encodeSums, refuseUnsupported, type TableEntry } from "./backup-body.ts";

export interface BackupParts {
  engine: Engine;
  store: ObjectStore;
  repository: RepositoryInfo;
  /** Folder of this host's state: epoch keys and chunk indexes. */
  stateDir: string;
  /** Opens a lane of the backup; one thread each, but for tests. */
  openLane: (state: HostState) => Promise<Lane>;
  now: () => Date;
  /** Version of dbctl, for the manifest. */
  tool: string;
}

export interface BackupOptions {
  /** Readers at once. */
  jobs: number;
  allowMissing: boolean;
  freshEpoch: boolean;
  signal: AbortSignal;
}

export type BackupEvent =
  | { kind: "connected"; facts: ServerFacts }
  | { kind: "snapshot-opened"; tables: number; objects: number; estimate: number }
  | { kind: "part-stored"; table: string; estimate: number; sums: RowSums; newBytes: number }
  | FinishedBackup;

export interface FinishedBackup {
  kind: "finished";
  header: BackupHeader;
  /** Empty unless the backup is partial. */
  missing: UnsupportedObject[];
  position: Record<string, string>;
  tables: number;
  rows: bigint;
  /** Chunks of all tables, and how many of them the epoch did not hold yet. */
  chunks: { all: number; new: number };
}

/**
 * Backs one database up into the repository: one consistent snapshot, read on `jobs` lanes. The
 * last event comes only after the store has confirmed every pack, map and the manifest. Fails, and
 * leaves nothing but stored chunks, when any object or row could not be backed up.
 */
export async function* backUpDatabase(
  parts: BackupParts,
  options: BackupOptions,
): AsyncGenerator<BackupEvent> {
  const { engine, store, repository, stateDir, now } = parts;
  const { signal } = options;
  const started = now();
  const facts = await engine.probe({ signal });
  yield { kind: "connected", facts };

  const { instance } = facts;
  const fresh = options.freshEpoch;
  const hostOptions = { stateDir, repository, instance, store, fresh, now: started, signal };
  await using state = await openHostState(hostOptions);
  await using writer = await openBackupWriter({ store, repository, state, started, signal });
  await using lanes = await openLanes(options.jobs, () => parts.openLane(state));
  const startReaders = (ticket: SnapshotTicket) =>
    onEvery(lanes.all, (lane) => lane.openReader(ticket));
  await using snapshot = await engine.openSnapshot({ startReaders, signal });

  const list = await snapshot.listObjects();
  if (!options.allowMissing) refuseUnsupported(list.unsupported);
  const tables = await snapshot.listTables();
  const work = await cutTables(snapshot, tables);
  const estimate = work.reduce((sum, part) => sum + part.estimate, 0);
  yield { kind: "snapshot-opened", tables: tables.length, objects: list.objects.length, estimate };

  const stored = yield* storeParts(lanes.all, { work, writer });
  const packs = await finishPacks(lanes.all);
  await snapshot.assertAlive();

  const entries = tables.map((data): TableEntry => {
    const { streams, sums } = stored.get(data) ?? { streams: [], sums: emptySums };
    return { data, streams, sums: encodeSums(sums) };
  });
  const { header } = await writer.commit({
    body: { tool: parts.tool, facts, position: snapshot.position, list, tables: entries },
    source: sourceOf(facts),
    kind: "logical",
    state: list.unsupported.length === 0 ? "complete" : "partial",
    finished: now(),
    packs,
  });
  const rows = stored.values().reduce((total, { sums }) => total + sums.rows, 0n);
  const { position } = snapshot;
  const missing = list.unsupported;
  yield {
    kind: "finished",
    header,
    missing,
    position,
    tables: tables.length,
    rows,
    chunks: writer.chunks,
  };
}

function sourceOf({ flavour, version, host, database }: ServerFacts) {
  return { engine: flavour, version, host, database };
}

/** All parts, largest first, so that no lane is left with a big one at the end. */
async function cutTables(snapshot: Snapshot, tables: TableData[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (const table of tables) {
    for (const part of await snapshot.cutParts(table)) parts.push({ ...part, table });
  }
  return parts.toSorted((a, b) => b.estimate - a.estimate);
}

type StoredTables = Map<TableData, { streams: number[]; sums: RowSums }>;

/** A part's place in the list is the number of its stream in the backup. */
async function* storeParts(
  lanes: Lane[],
  { work, writer }: { work: Part[]; writer: BackupWriter },
): AsyncGenerator<BackupEvent, StoredTables> {
  const tables: StoredTables = new Map();
  const run = async (lane: Lane, [stream, part]: [number, Part]) => ({
    stream,
    part,
    stored: await lane.storePart(part),
  });
  for await (const { stream, part, stored } of runOnLanes(lanes, work.entries(), run)) {
    await writer.addStream(stream, stored.map);
    const { streams, sums } = tables.get(part.table) ?? { streams: [], sums: emptySums };
    streams.push(stream);
    tables.set(part.table, { streams, sums: addSums(sums, stored.sums) });
    yield storedEvent(part, stored);
  }
  return tables;
}

function storedEvent(part: Part, { sums, map }: StoredPart): BackupEvent {
  const table = `${part.table.schema}.${part.table.name}`;
  return { kind: "part-stored", table, estimate: part.estimate, sums, newBytes: map.newBytes };
}

/** Ends the packs of all lanes: the barrier between packs and maps. */
async function finishPacks(lanes: Lane[]): Promise<WrittenPacks> {
  const written = await onEvery(lanes, (lane) => lane.finishPacks());
  return { packs: written.flatMap(({ packs }) => packs) };
}
