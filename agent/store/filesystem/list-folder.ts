import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DbctlError } from "../../../core/errors.ts";
import type { ObjectInfo } from "../object-store.ts";
import { isKeyName } from "../store-key.ts";
import { errnoOf, fileError } from "./file-error.ts";

export interface Listing {
  root: string;
  prefix: string;
  signal: AbortSignal;
}

/**
 * The files below `root/inner` whose keys begin with the prefix, in the byte order of keys. `inner`
 * is empty or ends with `/`. What is no file, or has another name than keys have, is none of ours. A
 * link is refused: what is behind it could be read, and nobody would know of it.
 */
export async function* listFolder(listing: Listing, inner = ""): AsyncGenerator<ObjectInfo, void> {
  const { root, prefix, signal } = listing;
  signal.throwIfAborted();
  for (const name of await namesIn(join(root, inner))) {
    signal.throwIfAborted();
    const key = inner + name;
    if (name.endsWith(linkEnd)) refuseLink(listing, key.slice(0, -linkEnd.length));
    else if (name.endsWith("/")) {
      if (key.startsWith(prefix) || prefix.startsWith(key)) yield* listFolder(listing, key);
    } else if (key.startsWith(prefix)) {
      const found = await lookAt(join(root, key));
      if (found !== undefined) yield { key, ...found };
    }
  }
}

/** The folders in `root/prefix` that hold anything; `prefix` is empty or ends with `/`. */
export async function* listSubfolders(listing: Listing): AsyncGenerator<string, void> {
  const { root, prefix, signal } = listing;
  signal.throwIfAborted();
  for (const name of await namesIn(join(root, prefix))) {
    if (name.endsWith(linkEnd)) refuseLink(listing, prefix + name.slice(0, -linkEnd.length));
    if (!name.endsWith("/")) continue;
    // An empty folder is no part of any key.
    for await (const _ of listFolder(listing, prefix + name)) {
      yield name.slice(0, -1);
      break;
    }
  }
}

/** No name of a key holds it. */
const linkEnd = "@";

function refuseLink({ root, prefix }: Listing, key: string): void {
  if (!key.startsWith(prefix) && !prefix.startsWith(`${key}/`)) return;
  throw new DbctlError("store-io", `Cannot list ${join(root, key)}: it is a symbolic link`, {
    remedy: "Put the folder itself there, or mount it there (mount --bind)",
  });
}

/** Sorted as keys are: a folder's name counts with its slash. Links end with `@`. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => isKeyName(entry.name))
      .flatMap((entry) => {
        if (entry.isSymbolicLink()) return [entry.name + linkEnd];
        if (entry.isDirectory()) return [`${entry.name}/`];
        return entry.isFile() ? [entry.name] : [];
      })
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError("list", folder, error);
  }
}

async function lookAt(path: string): Promise<{ size: number; created: Date } | undefined> {
  try {
    const { size, ctime } = await lstat(path);
    return { size, created: ctime };
  } catch (error) {
    // Removed while we were listing.
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileError("look at", path, error);
  }
}
