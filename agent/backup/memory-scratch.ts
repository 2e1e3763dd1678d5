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
import { restoreBackup } from "../restore/restore-backup.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { backUpDatabase, type FinishedBackup } from "./back-up-database.ts";

interface Changes {
  allowMissing?: boolean;
  create?: boolean;
  engine?: Engine;
  signal?: AbortSignal;
}

/** Everything that the use cases need, in memory but for the host's state: for their tests. */
export interface MemoryScratch extends AsyncDisposable {
  server: MemoryServer;
  store: ObjectStore;
  identity: Secret;
  list(): Promise<BackupHeader[]>;
  backUp(database: string, changes?: Changes): Promise<FinishedBackup>;
  restore(id: string, to: string, changes?: Changes): Promise<void>;
}

export async function makeMemoryScratch(): Promise<MemoryScratch> {
  const { signal } = new AbortController();
  const server = createMemoryServer();
  const store = createMemoryStore();
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
    const options = { jobs: 2, allowMissing, freshEpoch: false, signal: changes.signal ?? signal };
    const parts = { engine, store, repository, stateDir, now, tool: "test" };
    const events = backUpDatabase(
      {
        ...parts,
        openLane: async ({ epoch, indexPath }) => {
          const use = { kind: "backup", epoch, indexPath } as const;
          return new DataLane({ engine, store, use, signal: options.signal });
        },
      },
      options,
    );
    return await lastOf(events);
  };

  const restore = async (id: string, to: string, changes: Changes = {}) => {
    const engine = changes.engine ?? createMemoryEngine(server, to);
    const header = await findBackup(store, id, { signal });
    const backup = await openBackup({ store, repository, header, keys: { identity }, signal });
    const openLane = async (epoch: typeof backup.epoch) =>
      new DataLane({ engine, store, use: { kind: "restore", epoch }, signal });
    const { create = true } = changes;
    const options = { create, jobs: 2, signal: changes.signal ?? signal };
    await Array.fromAsync(restoreBackup({ engine, backup, openLane }, options));
  };

  const dispose = () => rm(stateDir, { recursive: true, force: true });
  return { server, store, identity, list, backUp, restore, [Symbol.asyncDispose]: dispose };
}

async function lastOf(events: ReturnType<typeof backUpDatabase>): Promise<FinishedBackup> {
  for await (const event of events) if (event.kind === "finished") return event;
  throw new Error("Cannot find the result: the backup ended without one");
}
