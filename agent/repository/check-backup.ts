import { checkEpoch } from "./check-epoch.ts";
import type { OpenBackup } from "./open-backup.ts";

export type CheckEvent =
  /** An object was looked at; bytes and chunks that were decoded from it. */
  | { kind: "progress"; object: string; bytes: number; chunks: number }
  | { kind: "damage"; damage: Damage };

export interface Damage {
  /** The object's key. */
  object: string;
  /** A sentence: what is wrong. */
  what: string;
  /** Byte of the object, when known. */
  offset?: number;
  /** Streams that cannot be read whole because of it. */
  streams: number[];
}

export interface CheckOptions {
  /** `index`: every map, every object's size, every pack's index. `full`: every byte, too. */
  level: "index" | "full";
  signal: AbortSignal;
}

/**
 * Looks at all that the backup needs. Goes on after a damage, so that every one is named; what is
 * no damage (the store cannot be reached) is thrown.
 */
export async function* checkBackup(
  backup: OpenBackup,
  { level, signal }: CheckOptions,
): AsyncGenerator<CheckEvent, void> {
  const { store, epoch, header } = backup;
  const open = async () => backup;
  const depth = { kind: level };
  const check = { store, epoch, headers: [header], open, depth, groupsOf: () => [], signal };
  for await (const event of checkEpoch(check)) {
    if (event.kind === "progress") yield event;
    else {
      const { object, what, offset, backups } = event.damage;
      const streams = backups.flatMap((hit) => hit.streams);
      const place = offset === undefined ? {} : { offset };
      yield { kind: "damage", damage: { object, what, ...place, streams } };
    }
  }
}
