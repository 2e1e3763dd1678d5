import { instancePattern } from "../repository/identifier.ts";
import { parseKey } from "../repository/parse-key.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import type { InstanceInventory, Inventory } from "./inventory.ts";
import { takeControl } from "./take-control.ts";
import { takeInstance } from "./take-instance.ts";
import { Troubles } from "./troubles.ts";

export interface InventoryOptions {
  store: ObjectStore;
  /** The repository's id. */
  repository: string;
  /** Of these servers only, or of all. */
  only?: readonly string[] | undefined;
  signal: AbortSignal;
}

/**
 * Reads what a prune decides on. What cannot be read is no error here: it is among the troubles.
 * What a backup writes first is read last, so that none is taken for a leftover while it runs.
 */
export async function takeInventory(options: InventoryOptions): Promise<Inventory> {
  const { store, repository, only, signal } = options;
  const troubles = new Troubles();
  const probes = await listProbes(store, { signal });
  const instances: InstanceInventory[] = [];
  for await (const instance of store.listFolders("", { signal }))
    if (instancePattern.test(instance) && (only?.includes(instance) ?? true)) {
      const taken = await takeInstance(instance, { store, repository, troubles, signal });
      if (taken !== undefined) instances.push(taken);
    }
  const control = await takeControl({ store, repository, signal, troubles, instances });
  return { repository, only, instances, probes, ...control, troubles: troubles.found };
}

async function listProbes(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): Promise<ObjectInfo[]> {
  const found = await Array.fromAsync(store.list("probe-", { signal }));
  return found.filter(({ key }) => parseKey(key)?.kind === "probe");
}
