import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "../../core/secret.ts";
import type { EpochKeys } from "../../agent/repository/epoch.ts";
import { generateIdentity } from "../../agent/repository/identity.ts";
import { initRepository } from "../../agent/repository/init-repository.ts";
import { fileRecipient } from "../../agent/repository/recipient.ts";
import { createMemoryStore } from "../../agent/store/memory/memory-store.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";
import { signal } from "../fixtures/scratch-repository.ts";
import type { Random } from "./random.ts";

/** A machine that backs one server up. */
export interface Host {
  name: string;
  instance: string;
  stateDir: string;
  /** Of its clock, from the true time; milliseconds. */
  skew: number;
  /** It may put below its own prefix and do nothing else. */
  writeOnly: boolean;
}

/** What the model knows of a backup. */
export interface Known {
  id: string;
  instance: string;
  /** Until when it can be undeleted; undefined: not deleted. */
  deletedUntil: number | undefined;
  held: boolean;
}

/** The true state of things, simple enough to be believed. */
export interface World extends AsyncDisposable {
  random: Random;
  folder: string;
  objects: Map<string, Uint8Array>;
  store: ObjectStore;
  copy: ObjectStore;
  /** The true time, milliseconds; the store's clock. */
  time: number;
  hosts: Host[];
  backups: Map<string, Known>;
  /** The bytes of each stream of every backup that there ever was: a copy may still have it. */
  contents: Map<string, Buffer[]>;
  /** All identities that there ever were, one a line. */
  identity: Secret;
  /** Epoch keys that were opened since the sealings last changed, by their object. */
  opened: Map<string, EpochKeys>;
  /** Contents that chunks are made of. */
  pool: Buffer[];
  /** What was done, for whoever has to find out. */
  log: string[];
  sums: Record<string, number>;
}

const begin = Date.parse("2026-11-20T10:00:00.000Z");

export async function makeWorld(random: Random): Promise<World> {
  // Memory, where there is such a folder: states are synced to disk at every step.
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = await mkdtemp(join(base, "dbctl-model-"));
  const objects = new Map<string, Uint8Array>();
  const world: World = {
    random,
    folder,
    objects,
    store: createMemoryStore(objects, { now: () => new Date(world.time) }),
    copy: createMemoryStore(new Map(), { now: () => new Date(world.time) }),
    time: begin,
    hosts: [],
    backups: new Map(),
    contents: new Map(),
    identity: new Secret(""),
    opened: new Map(),
    pool: Array.from({ length: 40 }, () => randomBytes(100 + random.below(900))),
    log: [],
    sums: {},
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
  const { identity, recipient } = await generateIdentity();
  world.identity = identity;
  const now = new Date(begin);
  const recipients = [fileRecipient(recipient, { now })];
  await initRepository(world.store, { recipients, now, signal });
  for (const instance of ["7312", "8423"]) addHost(world, instance);
  return world;
}

export function addHost(world: World, instance: string): Host {
  const name = `host${world.hosts.length}`;
  const stateDir = join(world.folder, name);
  const host = { name, instance, stateDir, skew: 0, writeOnly: false };
  world.hosts.push(host);
  return host;
}

/** The pruner's and the operators' clock. */
export function clockOf({ time }: World): Date {
  return new Date(time);
}

export function note(world: World, what: string): void {
  world.log.push(what);
  if (world.log.length > 200) world.log.shift();
  const [name = ""] = what.split(" ");
  world.sums[name] = (world.sums[name] ?? 0) + 1;
}
