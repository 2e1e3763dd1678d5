import { DbctlError } from "../../core/errors.ts";
import { readIntent } from "../repository/intent.ts";
import { parseKey } from "../repository/parse-key.ts";
import { readHeader } from "../repository/read-header.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { InstanceInventory } from "./inventory.ts";

/** What hosts have done since the inventory was taken. */
export interface Activity {
  /** In which a backup has begun, or was committed. */
  epochs: Set<string>;
  /** Ids of those backups. */
  backups: Set<string>;
}

/** Looks again, right before something is removed. */
export async function findActivity(
  { instance, intents, manifests }: InstanceInventory,
  { store, repository, signal }: { store: ObjectStore; repository: string; signal: AbortSignal },
): Promise<Activity> {
  const activity: Activity = { epochs: new Set(), backups: new Set() };
  for await (const { key } of store.list(`${instance}/intents/`, { signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind !== "intent" || intents.has(parsed.id)) continue;
    activity.backups.add(parsed.id);
    const place = { repository, instance, id: parsed.id };
    // One that has ended meanwhile was committed, and is seen next, or it needs nothing.
    const intent = await unlessMissing(() => readIntent(store, place, { signal }));
    if (intent !== undefined) activity.epochs.add(intent.epoch);
  }
  for await (const { key } of store.list(`${instance}/backups/`, { signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind !== "manifest" || manifests.has(parsed.id)) continue;
    const read = await unlessMissing(() => readHeader(store, key, { signal }));
    if (read === undefined) continue;
    activity.epochs.add(read.header.epoch);
    activity.backups.add(parsed.id);
  }
  return activity;
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DbctlError && error.code === "object-missing") return undefined;
    throw error;
  }
}
