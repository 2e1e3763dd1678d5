import { hostname, userInfo } from "node:os";

/** Who runs the command, for what is written about it: `ann@desk`. */
export function operatorName(): string {
  return `${userInfo().username}@${hostname()}`;
}
