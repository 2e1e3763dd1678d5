import { DbctlError } from "../../core/errors.ts";
import type { CheckEvent, Damage } from "../repository/check-backup.ts";
import type { OpenBackup } from "../repository/open-backup.ts";

/** Runs a check to its end and throws when anything is damaged, naming every object. */
export async function refuseDamage(
  { header }: OpenBackup,
  check: AsyncIterable<CheckEvent>,
): Promise<void> {
  const damages: Damage[] = [];
  for await (const event of check) if (event.kind === "damage") damages.push(event.damage);
  if (damages.length > 0) throw damaged(`backup ${header.id}`, damages);
}

/** `what`: whose damages they are, for example `backup 20261120T101530Z-k3v9x0ap`. */
export function damaged(
  what: string,
  damages: readonly { object: string; what: string }[],
): DbctlError {
  const named = damages.map((damage) => `${damage.object}: ${damage.what}`).join("; ");
  return new DbctlError("repository-damaged", `Cannot trust ${what}: ${named}`, {
    remedy: "Restore another backup, or put the named objects back from a copy of the repository",
  });
}
