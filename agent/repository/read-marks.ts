import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import { damaged } from "./damage.ts";
import { inParallel } from "./in-parallel.ts";
import { maxMarkBytes, parseMark } from "./mark.ts";
import { foldMarks, type MarkState, type StoredMark } from "./mark-state.ts";
import { controlFolder, marksPrefix } from "./object-key.ts";
import { parseKey } from "./parse-key.ts";
import { readObject } from "./read-object.ts";

/** Of which repository a backup is. */
export interface BackupPlace {
  repository: string;
  instance: string;
  id: string;
}

interface Options {
  signal: AbortSignal;
}

/** The marks of one backup, in order. A gap or one that cannot be read is an error. */
export async function readMarks(
  store: ObjectStore,
  place: BackupPlace,
  { signal }: Options,
): Promise<StoredMark[]> {
  const infos = await Array.fromAsync(store.list(marksPrefix(place), { signal }));
  return await readChain(store, { place, infos, signal });
}

export async function readMarkState(
  store: ObjectStore,
  place: BackupPlace,
  { signal }: Options,
): Promise<MarkState> {
  return foldMarks(await readMarks(store, place, { signal }));
}

/** The objects of all marks, by `instance/backup`. Those whose key is no mark's are `unknown`. */
export async function listMarks(
  store: ObjectStore,
  { signal }: Options,
): Promise<{ chains: Map<string, ObjectInfo[]>; unknown: ObjectInfo[] }> {
  const chains = new Map<string, ObjectInfo[]>();
  const unknown: ObjectInfo[] = [];
  for await (const info of store.list(`${controlFolder}/marks/`, { signal })) {
    const parsed = parseKey(info.key);
    if (parsed?.kind !== "mark") {
      unknown.push(info);
      continue;
    }
    const name = `${parsed.instance}/${parsed.id}`;
    chains.set(name, [...(chains.get(name) ?? []), info]);
  }
  return { chains, unknown };
}

/** Marks that are read at once. */
const readers = 16;

/** What is said of every backup that has marks, by `instance/backup`. The first damage is thrown. */
export async function readAllMarks(
  store: ObjectStore,
  { repository, signal }: { repository: string; signal: AbortSignal },
): Promise<Map<string, MarkState>> {
  const { chains, unknown } = await listMarks(store, { signal });
  const [stranger] = unknown;
  if (stranger !== undefined) throw damaged(stranger.key, "its name is no mark's");
  const states = await inParallel(chains, readers, async ([name, infos]) => {
    const [instance = "", id = ""] = name.split("/");
    const chain = await readChain(store, { place: { repository, instance, id }, infos, signal });
    return [name, foldMarks(chain)] as const;
  });
  return new Map(states);
}

/** The marks behind the objects of one backup, which come in order. */
export async function readChain(
  store: ObjectStore,
  { place, infos, signal }: { place: BackupPlace; infos: readonly ObjectInfo[] } & Options,
): Promise<StoredMark[]> {
  const marks: StoredMark[] = [];
  for (const [n, { key, created }] of infos.entries()) {
    const parsed = parseKey(key);
    if (parsed?.kind !== "mark") throw damaged(key, "its name is no mark's");
    if (parsed.number !== n + 1) throw damaged(key, `mark ${n + 1} before it is missing`);
    const bytes = await readObject(store, key, { max: maxMarkBytes, signal });
    const mark = parseMark(bytes, { ...place, number: n + 1 }, key);
    if (marks.at(-1)?.mark.mark === "remove") throw damaged(key, "it follows the backup's removal");
    marks.push({ mark, created });
  }
  return marks;
}
