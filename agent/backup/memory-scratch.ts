import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Secret } from "../../core/secret.ts";
import type { Engine } from "../engines/engine.ts";
import {
  createMemoryEngine,
  createMemoryServer,
  type MemoryServer,
} from "../engines/memory/engine.ts";
import { DataLane } from "../lanes/data-lane.ts";
import { generateIdentity } from "../repository/identity.ts";
import { initRepository } from "../repository/init-repository.ts";
import { fileRecipient } from "../repository/recipient.ts";
import { findBackup, listBackups } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { openBackup } from "../repository/open-backup.ts";
import { openRepository } from "../repository/open-repository.ts";
import type { Resuming } from "../restore/open-target.ts";
import { restoreBackup, type RestoreEvent } from "../restore/restore-backup.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { backUpDatabase, type FinishedBackup } from "./back-up-database.ts";

interface Changes {
  allowMissing?: boolean;
  create?: boolean;
  resume?: Resuming;
  engine?: Engine;
  /** What is used instead of the repository's own. */
  store?: ObjectStore;
  signal?: AbortSignal;
}

/** Everything that the use cases need, in memory but for the host's state: for their tests. */
export interface MemoryScratch extends AsyncDisposable {
  server: MemoryServer;
  store: ObjectStore;
  identity: Secret;
  list(): Promise<BackupHeader[]>;
  backUp(database: string, changes?: Changes): Promise<FinishedBackup>;
  /** Gives the restore's last event. */
  restore(id: string, to: string, changes?: Changes): Promise<RestoreEvent | undefined>;
}

/** `storeClock` is the store's. */
export async function makeMemoryScratch({
  storeClock = () => new Date(),
} = {}): Promise<MemoryScratch> {
  const { signal } = new AbortController();
  const server = createMemoryServer();
  const store = createMemoryStore(new Map(), { now: storeClock });
  const stateDir = await mkdtemp(join(tmpdir(), "dbctl-state-"));
  const { identity, recipient } = await generateIdentity();
  const now = () => new Date();
  await initRepository(store, {
    recipients: [fileRecipient(recipient, { now: now() })],
    now: now(),
    signal,
  });
  const repository = await openRepository(store, { signal });
  const list = () => Array.fromAsync(listBackups(store, { signal }));

  const backUp = async (database: string, changes: Changes = {}) => {
    const { engine = createMemoryEngine(server, database), allowMissing = false } = changes;
    const { store: into = store } = changes;
    const options = { jobs: 2, allowMissing, freshEpoch: false, signal: changes.signal ?? signal };
    const parts = { engine, store: into, repository, stateDir, now, tool: "test" };
    const events = backUpDatabase(
      {
        ...parts,
        openLane: async ({ epoch, indexPath }) => {
          const use = { kind: "backup", epoch, indexPath } as const;
          return new DataLane({ engine, store: into, use, signal: options.signal });
        },
      },
      options,
    );
    return await lastOf(events);
  };

  const restore = async (id: string, to: string, changes: Changes = {}) => {
    const { engine = createMemoryEngine(server, to), store: from = store } = changes;
    const header = await findBackup(store, id, { signal });
    const opened = { store: from, repository, header, keys: { identity }, signal };
    const backup = await openBackup(opened);
    const openLane = async (epoch: typeof backup.epoch) =>
      new DataLane({ engine, store: from, use: { kind: "restore", epoch }, signal });
    const { create = true, resume = "never" } = changes;
    const options = { create, resume, jobs: 2, signal: changes.signal ?? signal };
    const events = restoreBackup({ engine, backup, openLane }, options);
    return (await Array.fromAsync(events)).at(-1);
  };

  const dispose = () => rm(stateDir, { recursive: true, force: true });
  return { server, store, identity, list, backUp, restore, [Symbol.asyncDispose]: dispose };
}

async function lastOf(events: ReturnType<typeof backUpDatabase>): Promise<FinishedBackup> {
  for await (const event of events) if (event.kind === "finished") return event;
  throw new Error("Cannot find the result: the backup ended without one");
}
