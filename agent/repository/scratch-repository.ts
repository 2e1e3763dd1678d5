import { join } from "node:path";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openBackupWriter } from "./backup-writer.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { openHostState } from "./host-state.ts";
import { generateIdentity } from "./identity.ts";
import { initRepository } from "./init-repository.ts";
import type { BackupHeader } from "./manifest.ts";
import { openBackup } from "./open-backup.ts";
import { readStream } from "./read-stream.ts";

/** Never aborts. */
export const signal: AbortSignal = new AbortController().signal;

/** A repository in memory, with the state of one host; for tests. */
export async function makeScratchRepository() {
  const folder = await makeScratchFolder("repository");
  const objects = new Map<string, Uint8Array>();
  const store = createMemoryStore(objects);
  const { identity, recipient } = await generateIdentity();
  const now = new Date("2026-11-20T10:00:00.000Z");
  const repository = await initRepository(store, { recipients: [recipient], now, signal });
  const stateDir = join(folder.path, "state");
  const hostOf = ({ instance = "7312", fresh = false, at = now, through = store } = {}) =>
    openHostState({ stateDir, repository, instance, store: through, fresh, now: at, signal });
  return {
    store,
    objects,
    repository,
    identity,
    recipient,
    stateDir,
    now,
    hostOf,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

export type ScratchRepository = Awaited<ReturnType<typeof makeScratchRepository>>;

export interface BackupSpec {
  streams: Uint8Array[][];
  store?: ObjectStore;
  instance?: string;
  database?: string;
  fresh?: boolean;
  at?: Date;
  packBytes?: number;
  state?: "complete" | "partial";
}

/** One backup, as the use cases make it. */
export async function backUp(
  scratch: ScratchRepository,
  { streams, ...spec }: BackupSpec,
): Promise<{ header: BackupHeader; packs: number; newBytes: number }> {
  const { store = scratch.store, packBytes = 4096, at = scratch.now } = spec;
  const { instance = "7312", fresh = false } = spec;
  await using state = await scratch.hostOf({ instance, fresh, at, through: store });
  const { repository } = scratch;
  await using writer = await openBackupWriter({ store, repository, state, started: at, signal });
  const { epoch, indexPath } = state;
  await using chunks = new ChunkWriter({ store, epoch, indexPath, signal, packBytes });
  let newBytes = 0;
  for (const [number, stream] of streams.entries()) {
    chunks.beginStream();
    for (const chunk of stream) {
      if (chunks.full) await chunks.drained({ signal });
      chunks.add(chunk);
    }
    const map = chunks.endStream();
    newBytes += map.newBytes;
    await writer.addStream(number, map);
  }
  const packs = await chunks.finish();
  const source = { engine: "memory", version: "1", host: "h", database: spec.database ?? "shop" };
  const { header } = await writer.commit({
    body: { streams: streams.length },
    source,
    kind: "logical",
    state: spec.state ?? "complete",
    finished: at,
    packs,
  });
  return { header, packs: packs.packs.length, newBytes };
}

/** All streams of a backup, read back with the identity. */
export async function readBack(
  { store, repository, identity }: ScratchRepository,
  header: BackupHeader,
): Promise<Buffer[]> {
  const backup = await openBackup({ store, repository, header, keys: { identity }, signal });
  const numbers = backup.streams.toSorted((a, b) => a - b);
  const streams: Buffer[] = [];
  for (const number of numbers) {
    const map = await backup.streamMap(number);
    const pieces = await Array.fromAsync(readStream({ store, epoch: backup.epoch, map, signal }));
    streams.push(Buffer.concat(pieces));
  }
  return streams;
}
