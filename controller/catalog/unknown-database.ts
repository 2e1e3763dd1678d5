import { DbctlError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";
import type { Db } from "../database/database.ts";

/** The error for a name that no database of the fleet has; it names the nearest one. */
export async function unknownDatabase(db: Db, act: string, name: string): Promise<DbctlError> {
  const rows = await db.all("select name, host from databases where dropped_at is null");
  const names = rows.flatMap((row) => [String(row["name"]), String(row["host"])]);
  const nearest = nearestName(name, new Set(names));
  const remedy =
    nearest === undefined
      ? "See `dbctl databases ls` for the names of the fleet"
      : `Did you mean "${nearest}"? See \`dbctl databases ls\``;
  return new DbctlError(
    "database-unknown",
    `Cannot ${act} ${name}: the fleet has no database of this name`,
    { remedy },
  );
}
