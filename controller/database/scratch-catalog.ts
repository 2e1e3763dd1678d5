import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Db, openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";

export interface ScratchCatalog extends AsyncDisposable {
  db: Db;
  /** Its file, for a second connection. */
  path: string;
}

/** A migrated catalog for a test, in a folder that is gone when disposed. */
export async function openScratchCatalog(): Promise<ScratchCatalog> {
  const folder = await mkdtemp(join(tmpdir(), "dbctl-catalog-"));
  const path = join(folder, "catalog.db");
  const db = await openDatabase(path);
  await migrate(db, new Date(0));
  return {
    db,
    path,
    async [Symbol.asyncDispose]() {
      await db[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
