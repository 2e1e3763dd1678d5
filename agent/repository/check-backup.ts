import type { OpenBackup } from "./open-backup.ts";

export type CheckEvent =
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

export declare function checkBackup(
  backup: OpenBackup,
  options: { level: "quick" | "full"; signal: AbortSignal },
): AsyncGenerator<CheckEvent, void>;
