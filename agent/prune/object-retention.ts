import { DbctlError } from "../../core/errors.ts";
import { inParallel } from "../repository/in-parallel.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import type { PruneEvent } from "./prune-event.ts";
import type { Decision, PrunePlan } from "./prune-plan.ts";

interface Options {
  now: Date;
  signal: AbortSignal;
}

/** Questions to the store at once. */
const askers = 16;

/** The plan, with what the store's locks protect turned into waiting. */
export async function respectLocks(
  plan: PrunePlan,
  store: ObjectStore,
  options: Options,
): Promise<PrunePlan> {
  if (store.locks === undefined) return plan;
  const settle = async (infos: ObjectInfo[], decision: Decision): Promise<Decision> => {
    if (decision.act !== "remove") return decision;
    const ends: (Date | undefined)[] = [];
    for (const { key } of infos) {
      const lock = await lockOf(store, key, options);
      if (lock !== undefined) ends.push(lock.until);
    }
    if (ends.length === 0) return decision;
    const until = ends.some((end) => end === undefined)
      ? undefined
      : new Date(Math.max(...ends.map(Number)));
    return { act: "wait", why: "retained", until };
  };
  const backups = await inParallel(plan.backups, askers, async (backup) => {
    const infos = [backup.manifest.info, ...backup.maps];
    return { ...backup, decision: await settle(infos, backup.decision) };
  });
  const objects = await inParallel(plan.objects, askers, async (object) => ({
    ...object,
    decision: await settle([object.info], object.decision),
  }));
  return { ...plan, backups, objects };
}

/** Removes one object; one under a lock or hold stays, and that is no failure. */
export async function removeObject(
  store: ObjectStore,
  { key, size }: ObjectInfo,
  options: Options,
): Promise<PruneEvent & { kind: "removed" | "retained" }> {
  try {
    await store.delete(key, options);
    return { kind: "removed", key, size };
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-locked") throw error;
    const lock = await lockOf(store, key, options);
    return { kind: "retained", key, size, until: lock?.until };
  }
}

/** Until when the object is protected; without an end by a hold. Undefined when it is not. */
async function lockOf(
  { locks }: ObjectStore,
  key: string,
  { now, signal }: Options,
): Promise<{ until: Date | undefined } | undefined> {
  try {
    const lock = await locks?.get(key, { signal });
    if (lock?.legalHold === true) return { until: undefined };
    const until = lock?.retain?.until;
    return until !== undefined && until > now ? { until } : undefined;
  } catch (error) {
    if (error instanceof DbctlError && error.code === "object-missing") return undefined;
    throw error;
  }
}
