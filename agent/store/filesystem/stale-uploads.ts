import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "./file-error.ts";

/** No upload is silent for so long: its process is gone. */
const staleMs = 24 * 3600 * 1000;

/** Removes from the folder of uploads what crashes have left there. */
export async function removeStaleUploads(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    try {
      if (Date.now() - (await lstat(path)).mtimeMs > staleMs) await unlink(path);
    } catch (error) {
      // Another process has ended its upload, or was faster.
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}
