import { DbctlError } from "../../core/errors.ts";
import { inParallel } from "../repository/in-parallel.ts";
import { intentKey, manifestKey } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { listSizes } from "./list-sizes.ts";

interface Announced {
  repository: { id: string };
  to: ObjectStore;
  parallel: number;
  isDryRun: boolean;
  at: Date;
  signal: AbortSignal;
}

/**
 * Says in the destination that these backups are being written, as a host does: until their manifests
 * are there, its prunes leave what was copied of them. To be done before looking at what is there.
 * Disposing takes it back; what stays, a prune removes.
 */
export async function announceCopies(
  backups: readonly { instance: string; epoch: string; id: string }[],
  { repository, to, parallel, isDryRun, at, signal }: Announced,
): Promise<AsyncDisposable> {
  const there = new Set<string>();
  for (const instance of new Set(backups.map((backup) => backup.instance)))
    for (const key of (await listSizes(to, `${instance}/backups/`, { signal })).keys())
      there.add(key);
  const coming = backups.filter((backup) => !isDryRun && !there.has(manifestKey(backup)));
  const own: string[] = [];
  const dispose = async () => {
    // The signal of the sync may have aborted.
    const options = { signal: AbortSignal.timeout(30_000) };
    await inParallel(own, parallel, (key) => to.delete(key, options).catch(unlessOurs));
  };
  await using stack = new AsyncDisposableStack();
  stack.defer(dispose);
  await inParallel(coming, parallel, async ({ instance, epoch, id }) => {
    const key = intentKey({ instance, id });
    const about = { format: 1, repository: repository.id, instance, epoch, backup: id };
    const json = Buffer.from(JSON.stringify({ ...about, started: at.toISOString() }));
    try {
      await to.put(key, [json], { signal });
      own.push(key);
    } catch (error) {
      // Another sync is at it, or was.
      if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
    }
  });
  return stack.move();
}

/** Whoever may only create leaves them; and no failure hides what became of the sync. */
function unlessOurs(error: unknown): void {
  if (!(error instanceof DbctlError)) throw error;
}
