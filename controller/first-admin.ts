import { join } from "node:path";
import { writeFleetIdentity } from "../core/fleet-identity.ts";
import { log } from "../core/log.ts";
import type { TrustParts } from "./trust/enrol-agent.ts";
import { createUser, hasUsers } from "./trust/users.ts";

/** Who holds this file is the first admin; move it to that person and log in with it. */
export const adminFile = (state: string) => join(state, "admin-identity.json");

/** A new fleet has nobody who could let anybody in: its first start makes an admin. */
export async function ensureAdmin(
  trust: TrustParts,
  { state, address }: { state: string; address: string },
): Promise<void> {
  if (await hasUsers(trust.db)) return;
  const path = adminFile(state);
  const deliver = (identity: Parameters<typeof writeFleetIdentity>[1]) =>
    writeFleetIdentity(path, identity);
  await createUser(trust, { name: "admin", role: "admin", address, deliver });
  log.info("admin-made", { file: path });
}
