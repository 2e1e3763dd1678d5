import { mkdir } from "node:fs/promises";
import { dirname, sep } from "node:path";
import { syncFolder } from "../../../core/sync-folder.ts";

/** Folders below a root that are known to survive a power cut. */
export class DurableFolders {
  readonly #root: string;
  readonly #known = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes the folder (below the root, or the root itself) with its parents, mode 0700. */
  async make(folder: string): Promise<void> {
    if (this.#known.has(folder)) return;
    const first = await mkdir(folder, { recursive: true, mode: 0o700 });
    // A folder that was there may have been made by another put that has not synced it yet.
    const above = first !== undefined && !first.startsWith(this.#root + sep);
    const top = above ? dirname(first) : this.#root;
    for (let at = folder; at !== top; at = dirname(at)) await syncFolder(dirname(at));
    this.#known.add(folder);
  }
}
