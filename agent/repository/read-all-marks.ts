import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import { damaged } from "./damage.ts";
import { inParallel } from "./in-parallel.ts";
import { listManifests } from "./list-backups.ts";
import { foldMarks, type MarkState } from "./mark-state.ts";
import { controlFolder } from "./object-key.ts";
import { parseKey } from "./parse-key.ts";
import { readChain } from "./read-marks.ts";

/** Marks that are read at once. */
const readers = 16;

/**
 * What is said of every backup that is there and has marks, by `instance/backup`. The first damage
 * is thrown.
 */
export async function readAllMarks(
  store: ObjectStore,
  { repository, signal }: { repository: string; signal: AbortSignal },
): Promise<Map<string, MarkState>> {
  const there = new Set<string>();
  for await (const { instance, id } of listManifests(store, { signal }))
    there.add(`${instance}/${id}`);
  const chains = new Map<string, ObjectInfo[]>();
  for await (const info of store.list(`${controlFolder}/marks/`, { signal })) {
    const parsed = parseKey(info.key);
    if (parsed?.kind !== "mark") throw damaged(info.key, "its name is no mark's");
    const name = `${parsed.instance}/${parsed.id}`;
    if (there.has(name)) chains.set(name, [...(chains.get(name) ?? []), info]);
  }
  const states = await inParallel(chains, readers, async ([name, infos]) => {
    const [instance = "", id = ""] = name.split("/");
    const chain = await readChain(store, { place: { repository, instance, id }, infos, signal });
    return [name, foldMarks(chain)] as const;
  });
  return new Map(states);
}
