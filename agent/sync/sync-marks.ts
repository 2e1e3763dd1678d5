import { marksPrefix } from "../repository/object-key.ts";
import { type BackupPlace, readMarks } from "../repository/read-marks.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Copier } from "./copier.ts";
import { listSizes } from "./list-sizes.ts";
import { isSameObject } from "./same-object.ts";

interface Parts {
  from: ObjectStore;
  to: ObjectStore;
  copier: Copier;
  signal: AbortSignal;
}

/**
 * Copies what was said of a backup, the last word first: cut short, the marks have a gap, and a
 * backup with a gap is kept. A prefix could lack the undelete that followed a delete. The word of a
 * prune that it has begun to remove the backup is the source's own and stays there. `own`: the
 * destination has marks that the source has not; they stay as they are.
 */
export async function syncMarks(
  place: BackupPlace,
  { from, to, copier, signal }: Parts,
): Promise<"copied" | "own"> {
  const prefix = marksPrefix(place);
  const there = await listSizes(to, prefix, { signal });
  const marks = await readMarks(from, place, { signal });
  const last = marks.at(-1)?.mark.mark === "remove" ? marks.length - 1 : marks.length;
  const sizes = await listSizes(from, prefix, { signal });
  const keys = [...sizes.keys()].slice(0, last);
  for (const key of there.keys())
    if (!sizes.has(key) || !(await isSameObject(key, { from, to, signal }))) return "own";
  for (const key of keys.toReversed())
    await copier.copy({ key, size: sizes.get(key) ?? 0 }, there.get(key));
  return "copied";
}
