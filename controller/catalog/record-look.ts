import { formatVerifyDepth, parseVerifyDepth } from "../../core/verify-depth.ts";
import type { Db, Row } from "../database/database.ts";
import { type Damage, type Look, type Verdict, addLook } from "./verdict.ts";

/** So many damages are kept, and so much of each: a host must not fill the catalog. */
const mostDamages = 100;
const mostLetters = 500;

/** Keeps what a look at a backup found; call it in a transaction. False when there is no such backup. */
export async function recordLook(db: Db, id: string, look: Look): Promise<boolean> {
  const row = await db.one("select * from backups where id = :id", { id });
  if (row === undefined) return false;
  const damages = look.damages.slice(0, mostDamages).map((what) => what.slice(0, mostLetters));
  const { last, verifiedAt, damage } = addLook(verdictOf(row), { ...look, damages });
  await db.run(
    `update backups set checked_at = :checkedAt, checked_depth = :depth, checked_bytes = :bytes,
       verified_at = :verifiedAt, damaged_at = :damagedAt, damaged_depth = :damagedDepth,
       damages = :damages where id = :id`,
    {
      id,
      checkedAt: last?.at.toISOString() ?? null,
      depth: last === undefined ? null : formatVerifyDepth(last.depth),
      bytes: last?.bytes ?? 0,
      verifiedAt: verifiedAt?.toISOString() ?? null,
      damagedAt: damage?.at.toISOString() ?? null,
      damagedDepth: damage === undefined ? null : formatVerifyDepth(damage.depth),
      damages: JSON.stringify(damage?.damages ?? []),
    },
  );
  return true;
}

/** What a row of the table `backups` says of the looks at it. */
export function verdictOf(row: Row): Verdict {
  const checkedAt = date(row["checked_at"]);
  const depth = parseVerifyDepth(String(row["checked_depth"] ?? ""));
  return {
    last: checkedAt && { at: checkedAt, depth, bytes: Number(row["checked_bytes"]) },
    verifiedAt: date(row["verified_at"]),
    damage: damageOf(row),
  };
}

function damageOf(row: Row): Damage | undefined {
  const at = date(row["damaged_at"]);
  if (at === undefined) return undefined;
  const depth = parseVerifyDepth(String(row["damaged_depth"] ?? ""));
  return { at, depth, damages: JSON.parse(String(row["damages"])) as string[] };
}

function date(value: Row[string] | undefined): Date | undefined {
  return value === null || value === undefined ? undefined : new Date(String(value));
}
