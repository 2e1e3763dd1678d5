import type { DamagedBackup } from "../verify/verify-backups.ts";

/**
 * What can be wrong with an object. `missing`, `truncated`, `flipped`: lost, of another size, of
 * other bytes. `swapped`: it belongs to another place. `duplicated`: it is at its own place as well.
 * `foreign`: not made by this repository's hosts. `replayed`: an earlier or removed one, put back.
 * `forked`: two lines of backups where one host made one. `unopenable`: the key that was given does
 * not open it. `orphaned`: nothing refers to it. `unlisted`: the catalog does not have it.
 * `unfinished`: begun, and not ended.
 */
export type FindingKind =
  | "missing"
  | "truncated"
  | "flipped"
  | "swapped"
  | "duplicated"
  | "foreign"
  | "replayed"
  | "forked"
  | "broken-chain"
  | "unopenable"
  | "orphaned"
  | "unlisted"
  | "unfinished";

export interface Finding {
  kind: FindingKind;
  /** The object's key. */
  object: string;
  /** A sentence: what is wrong. */
  what: string;
  /** Byte of the object, when known. */
  offset?: number;
  /** `note`: nothing that a backup needs is wrong; a prune or nobody has to do something. */
  severity: "damage" | "note";
  /** Whether rows of the backups are lost by it. */
  losesRows: boolean;
  backups: DamagedBackup[];
}

/** A damage that costs rows of these backups; with none, it costs no rows. */
export function damageAt(
  object: string,
  [kind, what]: readonly [FindingKind, string],
  backups: DamagedBackup[] = [],
): Finding {
  return { kind, object, what, severity: "damage", losesRows: backups.length > 0, backups };
}

export function noteAt(object: string, [kind, what]: readonly [FindingKind, string]): Finding {
  return { kind, object, what, severity: "note", losesRows: false, backups: [] };
}
