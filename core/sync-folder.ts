import { open } from "node:fs/promises";

/** Makes the folder's entries survive a power cut: fsync(2), "Calling fsync() does not …". */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}
