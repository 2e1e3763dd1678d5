import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pruneRepository } from "../../agent/prune/prune-repository.ts";
import { putMark } from "../../agent/repository/put-mark.ts";
import { createFilesystemStore } from "../../agent/store/filesystem/filesystem-store.ts";
import type { ObjectInfo, ObjectStore } from "../../agent/store/object-store.ts";
import { makeScratchFolder } from "../fixtures/scratch-folder.ts";
import { backUp, makeScratchRepository, signal } from "../fixtures/scratch-repository.ts";

const day = 24 * 3600 * 1000;
/** Chunks of one backup; each is a pack of its own here. One in ten is new each day. */
const chunks = 40;

/**
 * What a prune costs on the filesystem: daily backups of ten servers, of which the older half is
 * deleted. Packs are small here: a prune reads none of them.
 */
export async function benchPrune({ backups }: { backups: number }): Promise<void> {
  await using folder = await makeScratchFolder("bench-prune");
  const { repository, created, now } = await makeHistory(folder.path, backups);
  const clock = { now };
  const store = withTimes(createFilesystemStore(folder.path), created, clock);
  console.log(`\n${backups} backups of ten servers, ${created.size} objects: prune\n`);
  const prune = async (confirm: boolean) => {
    let [calls, removed, gone] = [0, 0, 0];
    const began = performance.now();
    const by = "bench";
    const how = { store: counting(store, () => calls++), repository, by, now: () => clock.now };
    for await (const event of pruneRepository({ ...how, confirm, signal })) {
      if (event.kind === "removed") removed++;
      if (event.kind === "backup-removed") gone++;
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    return `${seconds} s, ${calls} calls of the store; ${gone} backups, ${removed} objects removed`;
  };
  console.log(`- dry run: ${await prune(false)}`);
  for (const [n, what] of ["backups", "what was first seen then", "packs"].entries()) {
    clock.now = new Date(+now + (n + 1) * day);
    console.log(`- day ${n + 1} (${what}): ${await prune(true)}`);
  }
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(`- peak memory of the process: ${peak.toFixed(0)} MB`);
}

/** Made in memory, then laid into the folder: the store's clock is not to be waited for. */
async function makeHistory(folder: string, backups: number) {
  const clock = { now: new Date("2026-01-01T00:00:00.000Z") };
  await using scratch = await makeScratchRepository({ storeClock: () => clock.now });
  const { store, repository, objects } = scratch;
  const ids: { instance: string; id: string }[] = [];
  const streams = Array.from({ length: 10 }, () =>
    Array.from({ length: chunks }, () => randomBytes(200)),
  );
  for (let n = 0; n < backups; n++) {
    const server = n % 10;
    if (server === 0) clock.now = new Date(+clock.now + day);
    const stream = streams[server] ?? [];
    for (let k = 0; k < chunks / 10; k++) stream[(n + k * 7) % chunks] = randomBytes(200);
    const instance = `server-${server}`;
    const spec = { streams: [stream], instance, at: clock.now, packBytes: 100 };
    ids.push({ instance, id: (await backUp(scratch, spec)).header.id });
  }
  for (const place of ids.slice(0, backups / 2)) {
    const decide = () => ({ mark: "delete", reason: "old", window: 0 }) as const;
    const how = { decide, by: "bench", now: clock.now, signal };
    await putMark(store, { repository: repository.id, ...place }, how);
  }
  const created = new Map<string, Date>();
  for await (const info of store.list("", { signal }))
    created.set(info.key, info.created ?? clock.now);
  for (const [key, bytes] of objects) {
    await mkdir(join(folder, dirname(key)), { recursive: true });
    await writeFile(join(folder, key), bytes);
  }
  return { repository: repository.id, created, now: new Date(+clock.now + 2 * day) };
}

/** The store, as if it had been filled in the course of time. */
function withTimes(
  store: ObjectStore,
  created: ReadonlyMap<string, Date>,
  clock: { now: Date },
): ObjectStore {
  const timed = (info: ObjectInfo) => ({ ...info, created: created.get(info.key) ?? clock.now });
  return {
    ...store,
    async head(key, options) {
      const info = await store.head(key, options);
      return info === undefined ? undefined : timed(info);
    },
    async *list(prefix, options) {
      for await (const info of store.list(prefix, options)) yield timed(info);
    },
  };
}

function counting(store: ObjectStore, count: () => void): ObjectStore {
  const counted =
    <A extends unknown[], T>(call: (...args: A) => T) =>
    (...args: A): T => {
      count();
      return call(...args);
    };
  return {
    ...store,
    put: counted((...args) => store.put(...args)),
    get: counted((...args) => store.get(...args)),
    head: counted((...args) => store.head(...args)),
    list: counted((...args) => store.list(...args)),
    listFolders: counted((...args) => store.listFolders(...args)),
    delete: counted((...args) => store.delete(...args)),
  };
}
