import { homedir } from "node:os";
import { join } from "node:path";
import { DbctlError } from "../core/errors.ts";
import {
  type FleetIdentity,
  openIdentityChannel,
  readFleetIdentity,
} from "../core/fleet-identity.ts";
import type { Channel } from "../core/grpc/client.ts";

/** The channel to the controller that this user is logged in at. */
export async function openController(env: NodeJS.ProcessEnv = process.env): Promise<Channel> {
  return openIdentityChannel(await readLogin(env));
}

/** Where the login is kept: `DBCTL_LOGIN`, else the XDG configuration folder. */
export function loginFile(env: NodeJS.ProcessEnv): string {
  const { DBCTL_LOGIN: chosen, XDG_CONFIG_HOME: xdg } = env;
  if (chosen !== undefined && chosen !== "") return chosen;
  const folder = xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".config");
  return join(folder, "dbctl", "login.json");
}

async function readLogin(env: NodeJS.ProcessEnv): Promise<FleetIdentity> {
  const path = loginFile(env);
  const login = await readFleetIdentity(path);
  if (login !== undefined) return login;
  throw new DbctlError("identity-wrong", `Cannot call the controller: there is no ${path}`, {
    remedy: "Run `dbctl login <host:port> --identity-file <file>` first; or name a URL and --repo",
  });
}
