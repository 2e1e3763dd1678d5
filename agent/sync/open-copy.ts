import { DbctlError } from "../../core/errors.ts";
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
    const parsed = parseKey(key);
    if (parsed !== undefined && parsed.kind !== "manifest" && parsed.kind !== "epoch") continue;
    const isOurs =
      parsed !== undefined &&
      ((await from.head(key, { signal })) !== undefined ||
        (parsed.kind === "manifest" &&
          (await from.head(removedKey(parsed), { signal })) !== undefined));
    if (isOurs) continue;
    throw new DbctlError("target-not-empty", `Cannot copy to ${to.url}: it holds ${key}`, {
      remedy: "Name a place that is empty, or that holds a copy of the same repository",
    });
  }
}
