import { readdir, readFile } from "node:fs/promises";
import { DbctlError } from "../../core/errors.ts";
import type { Db } from "./database.ts";

const folder = new URL("./migrations/", import.meta.url);

/**
 * Brings the catalog to the newest form: every migration once, in order, each in a transaction. A
 * catalog that a newer controller has migrated is refused.
 */
export async function migrate(db: Db, now: Date): Promise<void> {
  await db.script(
    "create table if not exists migrations (name text primary key, applied_at text not null) strict",
  );
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted();
  const applied = new Set((await db.all("select name from migrations")).map((row) => row["name"]));
  const unknown = [...applied].filter((name) => !names.includes(String(name)));
  if (unknown.length > 0)
    throw new DbctlError("config-invalid", `Cannot use the catalog: it has ${unknown.join(", ")}`, {
      remedy: "Start the controller version that made it, or a newer one",
    });
  for (const name of names.filter((one) => !applied.has(one))) {
    const sql = await readFile(new URL(name, folder), "utf8");
    await db.transaction(async (inner) => {
      await inner.script(sql);
      const at = now.toISOString();
      await inner.run("insert into migrations values (:name, :at)", { name, at });
    });
  }
}
