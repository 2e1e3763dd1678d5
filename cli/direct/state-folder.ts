import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where this host keeps its epoch keys and chunk indexes: `DBCTL_STATE_DIR`, else for root
 * `/var/lib/dbctl`, else the XDG state folder.
 */
export function stateFolder(env: NodeJS.ProcessEnv, uid: number | undefined): string {
  const { DBCTL_STATE_DIR: chosen, XDG_STATE_HOME: xdg } = env;
  if (chosen !== undefined && chosen !== "") return chosen;
  if (uid === 0) return "/var/lib/dbctl";
  return join(xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".local", "state"), "dbctl");
}
