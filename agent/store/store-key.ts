import { DbctlError } from "../../core/errors.ts";

const namePattern = /^[\w=~+-][\w.=~+-]*$/;

/** Whether it may stand between the slashes of a key. */
export function isKeyName(name: string): boolean {
  return namePattern.test(name);
}

/** Throws for a key that not every store could hold. */
export function assertKey(key: string): void {
  if (key.length <= 900 && key.split("/").every(isKeyName)) return;
  throw new DbctlError("internal-bug", `Cannot use "${key}": it is no object key`, {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}
