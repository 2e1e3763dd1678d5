import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import { damaged } from "./damage.ts";
import { maxMarkBytes, parseMark } from "./mark.ts";
import { foldMarks, type MarkState, type StoredMark } from "./mark-state.ts";
import { marksPrefix } from "./object-key.ts";
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
