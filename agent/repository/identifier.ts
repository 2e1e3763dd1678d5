import { randomBytes } from "node:crypto";
import { DbctlError } from "../../core/errors.ts";

declare const tag: unique symbol;
type Id<Name extends string> = string & { readonly [tag]: Name };

/**
 * Names a backup; sorts by the time at which it began: `20261120T101530Z-k3v9x0ap`. Never before
 * the host's last one of the same server, whatever the clock says.
 */
export type BackupId = Id<"BackupId">;
/** Names a server, as its engine knows it. */
export type InstanceId = Id<"InstanceId">;

/** 16 random bytes in hexadecimal: repositories and packs. */
export const randomIdPattern = /^[0-9a-f]{32}$/;
/** A time (UTC) and 40 random bits: backups and epochs. */
export const timedIdPattern = /^\d{8}T\d{6}Z-[0-9a-hjkmnp-tv-z]{8}$/;
export const instancePattern = /^\w[\w.=~+-]{0,119}$/;

export function newRandomId(): string {
  return randomBytes(16).toString("hex");
}

export function newTimedId(now: Date): string {
  const time = now.toISOString().replace(/\.\d+/, "").replaceAll(/[:-]/g, "");
  return `${time}-${[...randomBytes(8)].map((byte) => alphabet[byte & 31]).join("")}`;
}

/** Crockford's base 32. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** After a clock was set back, `latest` must not name a backup from before that. */
export function newBackupId(now: Date, last: string | undefined): BackupId {
  return newTimedId(new Date(Math.max(+now, last === undefined ? 0 : timeOf(last)))) as BackupId;
}

function timeOf(id: string): number {
  return Date.parse(id.replace(/^(....)(..)(..)T(..)(..)(..)Z.*$/, "$1-$2-$3T$4:$5:$6Z"));
}

export function parseInstanceId(text: string): InstanceId {
  if (instancePattern.test(text) && text !== "repository.json") return text as InstanceId;
  throw new DbctlError("internal-bug", `Cannot use "${text}" as the name of a server`, {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}
