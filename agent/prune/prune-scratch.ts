import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import {
  backUp,
  type BackupSpec,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { type DeleteOptions, defaultWindowSeconds, deleteBackup } from "../marks/delete-backup.ts";
import type { MarkOptions } from "../marks/mark-backup.ts";
import { checkBackup } from "../repository/check-backup.ts";
import { openHostState } from "../repository/host-state.ts";
import { listManifests } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { openBackup } from "../repository/open-backup.ts";
import { readHeader } from "../repository/read-header.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { PruneEvent } from "./prune-event.ts";
import { type PruneOptions, pruneRepository } from "./prune-repository.ts";

export const hour = 3600 * 1000;
export const day = 24 * hour;

export interface PruneScratch extends AsyncDisposable {
  scratch: ScratchRepository;
  store: ObjectStore;
  /** Of pruner, operators, store and hosts; goes on only when told. */
  clock: { now: Date };
  pass: (ms: number) => void;
  /** One backup of a host, with some chunks of its own and some that it had before. */
  backUp: (spec?: Partial<BackupSpec> & { host?: string }) => Promise<BackupHeader>;
  /** A machine copied with all it knows. */
  copyHost: (from: string, to: string) => Promise<void>;
  prune: (options?: Partial<PruneOptions>) => Promise<PruneEvent[]>;
  /** Prunes day after day. */
  pruneDaily: (days: number) => Promise<void>;
  remove: (header: BackupHeader, options?: Partial<DeleteOptions>) => Promise<void>;
  marking: () => MarkOptions;
  keys: (part: string) => Promise<string[]>;
  /** Every backup that has a manifest is read whole, with the key. Their ids, by time. */
  assertWhole: () => Promise<string[]>;
}

/** A repository in memory with as many hosts as are named, whose clock is the test's. */
export async function makePruneScratch(): Promise<PruneScratch> {
  const clock = { now: new Date("2026-11-20T10:00:00.000Z") };
  const scratch = await makeScratchRepository({ storeClock: () => clock.now });
  const { store, repository } = scratch;
  const stateOf = (host: string) => join(scratch.stateDir, host);
  const hostOf =
    (host: string): ScratchRepository["hostOf"] =>
    async (spec) => {
      const { instance = "7312", fresh = false, at: now = clock.now, ...more } = { ...spec };
      const [stateDir, through] = [stateOf(host), more.through ?? store];
      const where = { stateDir, repository, instance, store: through };
      return await openHostState({ ...where, fresh, now, signal });
    };
  const shared = randomBytes(700);
  const prune = (options: Partial<PruneOptions> = {}) =>
    Array.fromAsync(
      pruneRepository({
        store,
        repository: repository.id,
        by: "pruner",
        now: () => clock.now,
        confirm: true,
        signal,
        ...options,
      }),
    );
  const pass = (ms: number) => void (clock.now = new Date(+clock.now + ms));
  const marking = () => ({ store, by: "ann", reason: "", now: clock.now, signal });
  return {
    scratch,
    store,
    clock,
    pass,
    prune,
    marking,
    async backUp({ host = "a", ...spec } = {}) {
      const streams = [[shared, randomBytes(600)], [randomBytes(500)]];
      const of = { ...scratch, hostOf: hostOf(host) };
      return (await backUp(of, { streams, at: clock.now, packBytes: 1000, ...spec })).header;
    },
    copyHost: (from, to) => cp(stateOf(from), stateOf(to), { recursive: true }),
    async pruneDaily(days) {
      for (let n = 0; n < days; n++) {
        pass(day);
        await prune();
      }
    },
    async remove(header, options = {}) {
      const window = defaultWindowSeconds;
      const how = { ...marking(), window, lastOne: true, confirm: true, ...options };
      await deleteBackup(header, how);
    },
    keys: async (part) =>
      (await Array.fromAsync(store.list("", { signal }), ({ key }) => key)).filter((key) =>
        key.includes(part),
      ),
    assertWhole: () => assertWhole(scratch),
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

async function assertWhole({ store, repository, identity }: ScratchRepository): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of listManifests(store, { signal })) {
    const { header } = await readHeader(store, key, { signal });
    const backup = await openBackup({ store, repository, header, keys: { identity }, signal });
    for await (const event of checkBackup(backup, { level: "full", signal }))
      assert.equal(event.kind, "progress", `${header.id}: ${JSON.stringify(event)}`);
    ids.push(header.id);
  }
  return ids;
}

/** What a prune has done, without its plan. */
export function doneBy(events: PruneEvent[]): Exclude<PruneEvent, { kind: "planned" }>[] {
  return events.filter((event) => event.kind !== "planned");
}
