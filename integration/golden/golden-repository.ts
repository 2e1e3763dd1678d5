import { chmod, cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DbctlScratch, makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import type { Hashes } from "./golden-databases.ts";

/** A backup of a golden repository, and what its tables must be. */
export interface GoldenBackup {
  name: "first" | "deduplicated" | "partial" | "mariadb";
  id: string;
  isDeleted: boolean;
  tables: Hashes;
}

/** The golden repository of format version 1. */
export const goldenFolder: string = fileURLToPath(new URL("v1", import.meta.url));
export const goldenRepository: string = join(goldenFolder, "repository");

/** A copy that may be written to, with keys that only we may read, and the command line on it. */
export interface GoldenCopy extends AsyncDisposable {
  readonly dbctl: DbctlScratch;
  readonly passphrase: string;
}

export async function copyGolden(): Promise<GoldenCopy> {
  const dbctl = await makeDbctlScratch({ init: false });
  const passphrase = join(dbctl.folder, "passphrase.txt");
  await cp(goldenRepository, dbctl.repoFolder, { recursive: true });
  await cp(join(goldenFolder, "test-identity.txt"), dbctl.identity);
  await cp(join(goldenFolder, "test-passphrase.txt"), passphrase);
  for (const key of [dbctl.identity, passphrase]) await chmod(key, 0o600);
  return { dbctl, passphrase, [Symbol.asyncDispose]: () => dbctl[Symbol.asyncDispose]() };
}

export async function readGoldenBackups(): Promise<GoldenBackup[]> {
  return JSON.parse(await readFile(join(goldenFolder, "expected.json"), "utf8")) as GoldenBackup[];
}

export async function findGolden(name: GoldenBackup["name"]): Promise<GoldenBackup> {
  const backup = (await readGoldenBackups()).find((one) => one.name === name);
  if (backup === undefined) throw new Error(`There is no golden backup ${name}`);
  return backup;
}
