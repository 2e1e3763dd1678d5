import { DbctlError } from "../../core/errors.ts";
import { parseBackupBody } from "../backup/backup-body.ts";
import type { CheckEvent, Damage } from "../repository/check-backup.ts";
import type { CheckDepth } from "../repository/check-depth.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { type VerifyEvent as BackupsEvent, verifyBackups } from "./verify-backups.ts";
import { collectVerifyResult, type VerifyResult } from "./verify-result.ts";

export type VerifyEvent = BackupsEvent | { kind: "finished"; result: VerifyResult };

interface Options {
  depth: CheckDepth;
  /** When it begins. */
  at: Date;
  signal: AbortSignal;
}

/**
 * Proves from the repository alone that a backup can be restored, as far as the depth goes. Goes on
 * after a damage, so that all of them are in the last event.
 */
export async function* verifyBackup(
  backup: OpenBackup,
  { depth, at, signal }: Options,
): AsyncGenerator<VerifyEvent> {
  parseBackupBody(backup);
  const { store, epoch, header } = backup;
  const request = {
    store,
    repository: { id: header.repository },
    headers: [header],
    depth,
    signal,
  };
  const seen: BackupsEvent[] = [];
  for await (const event of verifyBackups({ ...request, keys: { epoch } })) {
    seen.push(event);
    yield event;
  }
  yield { kind: "finished", result: await collectVerifyResult(request, seen, { at }) };
}

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
