import { DbctlError } from "../../core/errors.ts";
import { parseBackupBody } from "../backup/backup-body.ts";
import { checkBackup, type CheckEvent, type Damage } from "../repository/check-backup.ts";
import type { OpenBackup } from "../repository/open-backup.ts";

export type VerifyEvent =
  | CheckEvent
  | { kind: "finished"; damages: Damage[]; bytes: number; chunks: number };

/**
 * Proves from the repository alone that a backup can be restored: reads, opens, decompresses and
 * hashes everything it refers to. Goes on after a damage, so that all of them are in the last event.
 */
export async function* verifyBackup(
  backup: OpenBackup,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<VerifyEvent> {
  parseBackupBody(backup);
  const damages: Damage[] = [];
  let bytes = 0;
  let chunks = 0;
  for await (const event of checkBackup(backup, { level: "full", signal })) {
    if (event.kind === "damage") damages.push(event.damage);
    else {
      bytes += event.bytes;
      chunks += event.chunks;
    }
    yield event;
  }
  yield { kind: "finished", damages, bytes, chunks };
}

/** Runs a check to its end and throws when anything is damaged, naming every object. */
export async function refuseDamage(
  { header }: OpenBackup,
  check: AsyncIterable<CheckEvent>,
): Promise<void> {
  const damages: Damage[] = [];
  for await (const event of check) if (event.kind === "damage") damages.push(event.damage);
  if (damages.length > 0) throw damaged(header.id, damages);
}

export function damaged(id: string, damages: Damage[]): DbctlError {
  const named = damages.map(({ object, what }) => `${object}: ${what}`).join("; ");
  return new DbctlError("repository-damaged", `Cannot trust backup ${id}: ${named}`, {
    remedy: "Restore another backup, or put the named objects back from a copy of the repository",
  });
}
