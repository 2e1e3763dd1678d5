import { DbctlError } from "../../core/errors.ts";
import { listManifests } from "../repository/list-backups.ts";
import { type MarkState, unmarked } from "../repository/mark-state.ts";
import { controlFolder } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import { readAllMarks } from "../repository/read-all-marks.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** What a repository says of a backup that somebody knows of. */
export type BackupState = { id: string; hold: string; tags: string[] } & (
  | { state: "there" }
  | { state: "deleted"; until: Date }
  /** Also while a prune is at it: nothing brings it back. */
  | { state: "removed" }
  /** There is neither a manifest nor a record of its removal. */
  | { state: "missing" }
);

interface Options {
  /** The repository's id. */
  repository: string;
  signal: AbortSignal;
}

/**
 * What became of these backups. Refuses a repository that has never had any of them: it is another
 * one than was meant.
 */
export async function findStates(
  store: ObjectStore,
  ids: readonly string[],
  options: Options,
): Promise<BackupState[]> {
  const { signal } = options;
  // Manifests first: one that a prune removes meanwhile is found among the removed.
  const places = new Map<string, string>();
  for await (const { instance, id } of listManifests(store, { signal })) places.set(id, instance);
  const marks = await readAllMarks(store, options);
  const removed = await listRemoved(store, { signal });
  const byId = new Map([...marks].map(([name, state]) => [name.split("/")[1] ?? "", state]));
  const states = ids.map((id) =>
    stateOf(id, { there: places.has(id), removed: removed.has(id), marks: byId.get(id) }),
  );
  if (states.length > 0 && states.every(({ state }) => state === "missing"))
    throw new DbctlError("config-invalid", `Cannot use ${store.url}: it is another repository`, {
      remedy:
        "None of the backups that the catalog knows has ever been in it; see whether this machine " +
        "reaches the hosts' repository under the same URL",
    });
  return states;
}

async function listRemoved(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): Promise<Set<string>> {
  const removed = new Set<string>();
  for await (const { key } of store.list(`${controlFolder}/removed/`, { signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind === "removal") removed.add(parsed.id);
  }
  return removed;
}

interface Found {
  there: boolean;
  removed: boolean;
  marks: MarkState | undefined;
}

function stateOf(id: string, { there, removed, marks = unmarked }: Found): BackupState {
  const { held, deleted, removing, tags } = marks;
  const hold = held === undefined ? "" : held.reason || `by ${held.by}`;
  const about = { id, hold, tags };
  if (removing !== undefined || (removed && !there)) return { ...about, state: "removed" };
  if (!there) return { ...about, state: "missing" };
  if (deleted === undefined) return { ...about, state: "there" };
  return { ...about, state: "deleted", until: deleted.until };
}
