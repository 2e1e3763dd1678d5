import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** Flips a bit in the middle of an instance's largest pack; gives the object's key. */
export async function flipOneByte(repoFolder: string, instance: string): Promise<string> {
  const packs = join(repoFolder, instance, "packs");
  const entries = await readdir(packs, { recursive: true, withFileTypes: true });
  const files = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const sizes = await Promise.all(
    files.map(async (path) => ({ path, size: (await stat(path)).size })),
  );
  const [largest] = sizes.toSorted((a, b) => b.size - a.size);
  if (largest === undefined) throw new Error(`Cannot flip a byte: no pack below ${packs}`);
  const bytes = await readFile(largest.path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(largest.path, bytes);
  return relative(repoFolder, largest.path);
}
