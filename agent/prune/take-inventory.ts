import { damaged } from "../repository/damage.ts";
import { instancePattern } from "../repository/identifier.ts";
import { inParallel } from "../repository/in-parallel.ts";
import { foldMarks } from "../repository/mark-state.ts";
import { controlFolder } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import { type PruneRecord, readPruneRecord } from "../repository/prune-record.ts";
import { listMarks, readChain } from "../repository/read-marks.ts";
import { readRemoval, type Removal } from "../repository/removal.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import type { InstanceInventory, Inventory } from "./inventory.ts";
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

/** Objects that are read at once. */
const readers = 16;

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
  return { repository, instances, probes, ...control, troubles: troubles.found };
}

async function listProbes(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): Promise<ObjectInfo[]> {
  const found = await Array.fromAsync(store.list("probe-", { signal }));
  return found.filter(({ key }) => parseKey(key)?.kind === "probe");
}

interface Control {
  store: ObjectStore;
  repository: string;
  signal: AbortSignal;
  troubles: Troubles;
  instances: InstanceInventory[];
}

/** Records of prunes; marks and removals are put where their servers are. */
async function takeControl(
  control: Control,
): Promise<{ prunes: Inventory["prunes"]; last: PruneRecord | undefined }> {
  const { store, repository, troubles, signal } = control;
  const prunes: Inventory["prunes"] = [];
  for await (const info of store.list(`${controlFolder}/`, { signal })) {
    const parsed = parseKey(info.key);
    if (parsed?.kind === "prune") prunes.push({ ...info, number: parsed.number });
    else if (parsed === undefined) troubles.addUnknown(info.key);
  }
  const number = prunes.at(-1)?.number;
  const last =
    number === undefined
      ? undefined
      : await troubles.collect(() => readPruneRecord(store, { repository, number }, { signal }));
  await takeRemovals(control);
  await takeMarks(control);
  return { prunes, last };
}

async function takeRemovals({ store, repository, troubles, instances, signal }: Control) {
  for (const { instance, manifests, removals } of instances) {
    const infos = await Array.fromAsync(
      store.list(`${controlFolder}/removed/${instance}/`, { signal }),
    );
    await inParallel(infos, readers, async ({ key }) => {
      const parsed = parseKey(key);
      if (parsed?.kind !== "removal") return;
      const place = { repository, instance, id: parsed.id };
      const removal = await troubles.collect<Removal>(() => readRemoval(store, place, { signal }));
      if (removal === undefined) return;
      removals.set(parsed.id, removal);
      const manifest = manifests.get(parsed.id);
      if (manifest !== undefined && manifest.hash !== removal.hash)
        troubles.add(damaged(manifest.info.key, "another backup of that name was removed"));
    });
  }
}

async function takeMarks({ store, repository, troubles, instances, signal }: Control) {
  const { chains } = await listMarks(store, { signal });
  const byName = new Map(instances.map((one) => [one.instance, one.marks]));
  await inParallel(chains, readers, async ([name, infos]) => {
    const [instance = "", id = ""] = name.split("/");
    const marks = byName.get(instance);
    if (marks === undefined) return;
    const place = { repository, instance, id };
    const chain = await troubles.collect(() => readChain(store, { place, infos, signal }));
    if (chain !== undefined) marks.set(id, foldMarks(chain));
  });
}
