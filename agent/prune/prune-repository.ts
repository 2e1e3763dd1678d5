import { DbctlError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";
import { inParallel } from "../repository/in-parallel.ts";
import { putPruneRecord } from "../repository/prune-record.ts";
import { instancePattern } from "../repository/identifier.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { findActivity } from "./activity.ts";
import { assertAfter, assertStoreClock } from "./check-clock.ts";
import type { Inventory } from "./inventory.ts";
import { removeObject, respectLocks } from "./object-retention.ts";
import { planPrune } from "./plan-prune.ts";
import type { PruneEvent } from "./prune-event.ts";
import type { PlannedObject, PrunePlan } from "./prune-plan.ts";
import { removeBackup } from "./remove-backup.ts";
import { type InventoryOptions, takeInventory } from "./take-inventory.ts";
import { joinTroubles } from "./troubles.ts";

export interface PruneOptions {
  store: ObjectStore;
  /** The repository's id. */
  repository: string;
  /** Who prunes, for the records. */
  by: string;
  /** The pruner's clock. */
  now: () => Date;
  /** These servers only. */
  only?: readonly string[];
  /** Epochs that no host uses any more, says an operator. */
  retired?: readonly string[];
  /** Backups that are missing are given up, or were never here; see `PlanOptions`. */
  acceptsMissing?: boolean;
  /** Objects of which the next prune is told at most; a test has fewer. */
  mostSeen?: number;
  /** Without it, nothing is written and nothing removed. */
  confirm: boolean;
  signal: AbortSignal;
}

/** Calls of the store at once. */
const removers = 16;
const batch = 256;

/**
 * Removes what no backup needs, beside running backups and without any data key: backups that were
 * deleted long enough ago, what crashed ones have left, packs that nothing refers to. Removes
 * nothing when anything cannot be read. A failure or a crash anywhere is mended by the next prune.
 */
export async function* pruneRepository(options: PruneOptions): AsyncGenerator<PruneEvent, void> {
  const { store, repository, by, only, retired = [], confirm, signal } = options;
  const now = options.now();
  const inventory = await takeSettled({ store, repository, only, signal });
  const { troubles, last } = inventory;
  if (troubles.length > 0) throw joinTroubles(troubles, `prune ${store.url}`);
  assertAfter(last, now);
  await assertKnown(inventory, { store, only, retired, signal });
  const { mostSeen, acceptsMissing = false } = options;
  const told = { acceptsMissing, ...(mostSeen === undefined ? {} : { mostSeen }) };
  const decided = planPrune(inventory, { now, retired: new Set(retired), ...told });
  assertBounded(decided, inventory);
  const plan = await respectLocks(decided, store, { now, signal });
  yield { kind: "planned", plan };
  if (!confirm) return;
  await assertStoreClock(store, options);
  const number = (inventory.prunes.at(-1)?.number ?? 0) + 1;
  const at = now.toISOString();
  await putPruneRecord(store, { repository, number, at, by, ...plan.record }, { signal });
  yield* removeBackups(plan, { store, by, now, signal });
  yield* removeObjects(plan, inventory, { store, now, signal });
}

/** Inventories, one after the other, while another prune removes what was just listed. */
const maxLooks = 3;

async function takeSettled(options: InventoryOptions): Promise<Inventory> {
  for (let looks = 1; ; looks++) {
    const inventory = await takeInventory(options);
    const { troubles } = inventory;
    const onlyGone = troubles.every(({ code }) => code === "object-missing");
    if (troubles.length === 0 || !onlyGone || looks === maxLooks) return inventory;
  }
}

interface Named {
  store: ObjectStore;
  only: readonly string[] | undefined;
  retired: readonly string[];
  signal: AbortSignal;
}

async function assertKnown(
  { instances }: Inventory,
  { store, only = [], retired, signal }: Named,
): Promise<void> {
  const listed = new Set(instances.map(({ instance }) => instance));
  const server = only.find((one) => !listed.has(one));
  // The inventory has only those that were asked for.
  if (server !== undefined)
    throw unknown(`server ${server}`, server, await listServers(store, { signal }));
  const epochs = instances.flatMap((one) => [...one.epochs.keys()]);
  const epoch = retired.find((one) => !epochs.includes(one));
  if (epoch !== undefined) throw unknown(`epoch ${epoch}`, epoch, epochs);
}

async function listServers(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): Promise<string[]> {
  const folders = await Array.fromAsync(store.listFolders("", { signal }));
  return folders.filter((name) => instancePattern.test(name));
}

/** Names that a remedy lists. */
const mostNamed = 20;

function unknown(what: string, name: string, known: string[]): DbctlError {
  return new DbctlError("usage", `Cannot prune ${what}: there is none of that name`, {
    remedy: `Known: ${nearestName(name, known) ?? (known.slice(0, mostNamed).join(", ") || "none")}`,
  });
}

/** Epochs, and signing keys in them, of one server: a host makes one in a month. */
const mostKeys = 50_000;

/** The next prune reads all of them: a host that makes them up must not stop the prunes of all. */
function assertBounded({ record }: PrunePlan, { instances }: Inventory): void {
  const [epochs, chains] = [record.epochs, record.chains].map((all) =>
    Map.groupBy<string, { instance: string; signers?: string[] }>(all, (one) => one.instance),
  );
  for (const { instance } of instances) {
    const signers = (epochs?.get(instance) ?? []).map((one) => (one.signers?.length ?? 0) + 1);
    const all = signers.reduce((sum, one) => sum + one, chains?.get(instance)?.length ?? 0);
    if (all <= mostKeys) continue;
    const what = `it has ${all} epochs and signing keys`;
    throw new DbctlError("repository-damaged", `Cannot prune server ${instance}: ${what}`, {
      remedy:
        "No honest host makes so many: look at who can write there. " +
        "Meanwhile, --instance ID prunes the other servers",
    });
  }
}

interface RemoveOptions {
  store: ObjectStore;
  now: Date;
  signal: AbortSignal;
}

async function* removeBackups(
  { backups }: PrunePlan,
  options: RemoveOptions & { by: string },
): AsyncGenerator<PruneEvent, void> {
  const doomed = backups.filter(({ decision }) => decision.act === "remove");
  for (let at = 0; at < doomed.length; at += batch) {
    const some = doomed.slice(at, at + batch);
    for (const events of await inParallel(some, removers, (one) => removeBackup(one, options)))
      yield* events;
  }
}

/**
 * Leftovers, then packs, epoch by epoch, some at a time: nothing of a backup or an epoch in which somebody has begun
 * to work since it was read.
 */
async function* removeObjects(
  { objects }: PrunePlan,
  { instances, repository }: Inventory,
  options: RemoveOptions,
): AsyncGenerator<PruneEvent, void> {
  const doomed = objects.filter(({ decision }) => decision.act === "remove");
  const ofNobody = doomed.filter(({ instance }) => instance === undefined);
  yield* removeAll(ofNobody, options);
  for (const taken of instances) {
    const own = doomed.filter(({ instance }) => instance === taken.instance);
    const parts = Map.groupBy(own, (one) => one.epoch)
      .entries()
      .flatMap(([epoch, all]) => cut(all).map((some) => [epoch, some] as const));
    for (const [epoch, some] of parts) {
      const { epochs, backups } = await findActivity(taken, { ...options, repository });
      if (epoch !== undefined && epochs.has(epoch))
        yield { kind: "epoch-in-use", instance: taken.instance, epoch };
      else
        yield* removeAll(
          some.filter(({ backup = "" }) => !backups.has(backup)),
          options,
        );
    }
  }
}

/** So many are removed before we look again: a sync may come back to an old epoch of a copy. */
const beforeLook = 2048;

function cut(objects: PlannedObject[]): PlannedObject[][] {
  return Array.from({ length: Math.ceil(objects.length / beforeLook) }, (_, n) =>
    objects.slice(n * beforeLook, (n + 1) * beforeLook),
  );
}

async function* removeAll(
  objects: PlannedObject[],
  { store, now, signal }: RemoveOptions,
): AsyncGenerator<PruneEvent, void> {
  for (let at = 0; at < objects.length; at += batch)
    yield* await inParallel(objects.slice(at, at + batch), removers, ({ info }) =>
      removeObject(store, info, { now, signal }),
    );
}
