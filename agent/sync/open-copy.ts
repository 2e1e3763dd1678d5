import { DbctlError } from "../../core/errors.ts";
import { findEpochFile } from "../repository/find-epoch-file.ts";
import { removedKey, repositoryKey } from "../repository/object-key.ts";
import { openRepository, type RepositoryInfo } from "../repository/open-repository.ts";
import { parseKey } from "../repository/parse-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { refuseOther } from "./same-object.ts";

interface Stores {
  from: ObjectStore;
  to: ObjectStore;
  /** The source's. */
  repository: RepositoryInfo;
  signal: AbortSignal;
}

/**
 * Looks what the destination is: `complete` when it is a copy of this repository, `begun` when it is
 * empty or holds a copy that was never finished. Anything else is refused.
 */
export async function openCopy(stores: Stores): Promise<"complete" | "begun"> {
  const { to, repository, signal } = stores;
  if ((await to.head(repositoryKey, { signal })) === undefined) {
    await refuseStrangers(stores);
    return "begun";
  }
  const { id } = await openRepository(to, { signal });
  if (id !== repository.id)
    throw new DbctlError("target-exists", `Cannot copy to ${to.url}: it is repository ${id}`, {
      remedy: `Name a copy of repository ${repository.id}, or a place that is empty`,
    });
  await refuseOther(repositoryKey, stores);
  return "complete";
}

/** Without repository.json, the names of epochs and backups tell whose they are: they are random. */
async function refuseStrangers({ from, to, signal }: Stores): Promise<void> {
  for await (const { key } of to.list("", { signal })) {
    if (await isOurs(from, key, { signal })) continue;
    throw new DbctlError("target-not-empty", `Cannot copy to ${to.url}: it holds ${key}`, {
      remedy: "Name a place that is empty, or that holds a copy of the same repository",
    });
  }
}

/** What a rotation or a prune has removed from the source since is ours as well. */
async function isOurs(
  from: ObjectStore,
  key: string,
  { signal }: { signal: AbortSignal },
): Promise<boolean> {
  const parsed = parseKey(key);
  if (parsed === undefined) return false;
  if (parsed.kind === "epoch") return (await findEpochFile(from, parsed, { signal })) !== undefined;
  if (parsed.kind !== "manifest") return true;
  const known = [key, removedKey(parsed)].map((one) => from.head(one, { signal }));
  return (await Promise.all(known)).some((found) => found !== undefined);
}
