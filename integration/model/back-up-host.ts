import { openBackupWriter } from "../../agent/repository/backup-writer.ts";
import { ChunkWriter } from "../../agent/repository/chunk-writer.ts";
import { openHostState } from "../../agent/repository/host-state.ts";
import { listManifests } from "../../agent/repository/list-backups.ts";
import { openRepository } from "../../agent/repository/open-repository.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";
import { forbidden } from "../fixtures/faulty-store.ts";
import { signal } from "../fixtures/scratch-repository.ts";
import { type Host, note, type World } from "./world.ts";

/** A host backs up. What it has committed is in the model, also when it died before it knew. */
export async function backUpHost(world: World, store: ObjectStore): Promise<void> {
  const host = world.random.pick(world.hosts);
  if (host === undefined) return;
  const streams = inventStreams(world);
  note(world, `backup by ${host.name} of ${streams.length} streams`);
  const before = await idsOf(world);
  let reported: string | undefined;
  try {
    reported = await run(world, { host, streams, store: rightsOf(host, store) });
  } finally {
    for (const [id, instance] of await idsOf(world)) {
      if (before.has(id)) continue;
      world.backups.set(id, { id, instance, deletedUntil: undefined, held: false });
      const bytes = streams.map((chunks) => Buffer.concat(chunks));
      world.contents.set(id, bytes);
    }
  }
  if (!world.backups.has(reported)) throw new Error(`${reported} was reported and is not there`);
}

async function idsOf({ store }: World): Promise<Map<string, string>> {
  const found = await Array.fromAsync(listManifests(store, { signal }));
  return new Map(found.map(({ id, instance }) => [id, instance]));
}

/** Chunks of a pool, so that most are known; now and then the pool gets a new one. */
function inventStreams({ random, pool }: World): Buffer[][] {
  if (random.chance(0.5)) pool[random.below(pool.length)] = randomChunk(random.below(2 ** 32));
  const chunk = () => pool[random.below(pool.length)] ?? Buffer.from("x");
  return Array.from({ length: 1 + random.below(3) }, () =>
    Array.from({ length: random.below(5) }, chunk),
  );
}

function randomChunk(seed: number): Buffer {
  return Buffer.alloc(100 + (seed % 900), `chunk ${seed} `);
}

interface Run {
  host: Host;
  streams: Buffer[][];
  store: ObjectStore;
}

async function run(world: World, { host, streams, store }: Run): Promise<string> {
  const { random } = world;
  const { instance, stateDir } = host;
  const now = new Date(world.time + host.skew);
  // A host that may only write was told of the repository before.
  const repository = await openRepository(world.store, { signal });
  const fresh = random.chance(0.05);
  await using state = await openHostState({
    stateDir,
    repository,
    instance,
    store,
    fresh,
    now,
    signal,
  });
  await using writer = await openBackupWriter({ store, repository, state, started: now, signal });
  const { epoch, indexPath } = state;
  const packBytes = random.pick([1, 1000, 5000]) ?? 1;
  await using chunks = new ChunkWriter({ store, epoch, indexPath, signal, packBytes });
  for (const [number, stream] of streams.entries()) {
    chunks.beginStream();
    for (const chunk of stream) {
      if (chunks.full) await chunks.drained({ signal });
      chunks.add(chunk);
    }
    await writer.addStream(number, chunks.endStream());
  }
  const packs = await chunks.finish();
  const source = { engine: "memory", version: "1", host: host.name, database: "shop" };
  const content = { body: {}, source, kind: "logical", state: "complete" } as const;
  const { id } = await writer.commit({ ...content, finished: now, packs });
  return id;
}

/** What a store lets a host do that may only create below its own prefix. */
function rightsOf({ writeOnly, instance }: Host, store: ObjectStore): ObjectStore {
  if (!writeOnly) return store;
  const refuse = (key: string): AsyncIterable<never> => ({
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(forbidden(key)) }),
  });
  return {
    ...store,
    put: async (key, body, options) => {
      if (!key.startsWith(`${instance}/`)) throw forbidden(key);
      return await store.put(key, body, options);
    },
    get: refuse,
    head: async (key) => {
      throw forbidden(key);
    },
    list: refuse,
    listFolders: refuse,
    delete: async (key) => {
      throw forbidden(key);
    },
  };
}
