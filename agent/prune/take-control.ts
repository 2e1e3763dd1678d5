import { damaged } from "../repository/damage.ts";
import { inParallel } from "../repository/in-parallel.ts";
import { foldMarks } from "../repository/mark-state.ts";
import { controlFolder } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import { type PruneRecord, readPruneRecord } from "../repository/prune-record.ts";
import { readChain } from "../repository/read-marks.ts";
import { readRemoval } from "../repository/removal.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import type { InstanceInventory, Inventory } from "./inventory.ts";
import type { Troubles } from "./troubles.ts";

interface Options {
  store: ObjectStore;
  repository: string;
  signal: AbortSignal;
  troubles: Troubles;
  /** Marks and removals are put where their servers are. */
  instances: readonly InstanceInventory[];
}

/** Objects that are read at once. */
const readers = 16;

/**
 * What is below `~control`. Of removed backups, only what the last prune cannot have read is read:
 * they become ever more.
 */
export async function takeControl(options: Options): Promise<Pick<Inventory, "prunes" | "last">> {
  const { store, repository, troubles, signal } = options;
  const byName = new Map(options.instances.map((one) => [one.instance as string, one]));
  const prunes: Inventory["prunes"] = [];
  const chains = new Map<string, ObjectInfo[]>();
  for await (const info of store.list(`${controlFolder}/`, { signal })) {
    const parsed = parseKey(info.key);
    if (parsed === undefined) troubles.addUnknown(info.key);
    else if (parsed.kind === "prune") prunes.push({ ...info, number: parsed.number });
    else if (parsed.kind === "removal") byName.get(parsed.instance)?.removed.set(parsed.id, info);
    else if (parsed.kind === "mark") {
      const taken = byName.get(parsed.instance);
      const name = `${parsed.instance}/${parsed.id}`;
      if (taken?.manifests.has(parsed.id) === true)
        chains.set(name, [...(chains.get(name) ?? []), info]);
      else taken?.otherMarks.push({ ...info, id: parsed.id });
    }
  }
  const number = prunes.at(-1)?.number;
  const last =
    number === undefined
      ? undefined
      : await troubles.collect(() => readPruneRecord(store, { repository, number }, { signal }));
  for (const taken of options.instances) await readRemovals(taken, last, options);
  await inParallel(chains, readers, async ([name, infos]) => {
    const [instance = "", id = ""] = name.split("/");
    const place = { repository, instance, id };
    const chain = await troubles.collect(() => readChain(store, { place, infos, signal }));
    if (chain !== undefined) byName.get(instance)?.marks.set(id, foldMarks(chain));
  });
  return { prunes, last };
}

/** Two clocks may differ by a day; what was removed in the last prune is certainly after this. */
const overlapMs = 2 * 24 * 3600 * 1000;

async function readRemovals(
  { instance, manifests, removed, removals }: InstanceInventory,
  last: PruneRecord | undefined,
  { store, repository, troubles, signal }: Options,
): Promise<void> {
  const since = last === undefined ? -Infinity : Date.parse(last.at) - overlapMs;
  const unread = [...removed].filter(
    ([id, { created }]) => manifests.has(id) || +(created ?? Infinity) >= since,
  );
  await inParallel(unread, readers, async ([id]) => {
    const place = { repository, instance, id };
    const removal = await troubles.collect(() => readRemoval(store, place, { signal }));
    if (removal === undefined) return;
    removals.set(id, removal);
    const manifest = manifests.get(id);
    if (manifest !== undefined && manifest.hash !== removal.hash)
      troubles.add(damaged(manifest.info.key, "another backup of that name was removed"));
  });
}
