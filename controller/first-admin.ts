import { join } from "node:path";
import { writeFleetIdentity } from "../core/fleet-identity.ts";
import { log } from "../core/log.ts";
import type { TrustParts } from "./trust/enrol-agent.ts";
import { createFirstUser, listUsers } from "./trust/users.ts";

/** Who holds this file is the first admin; move it to that person and log in with it. */
export const adminFile = (state: string) => join(state, "admin-identity.json");

/** A new fleet has nobody who could let anybody in: its first start makes an admin. */
export async function ensureAdmin(
  trust: TrustParts,
  { state, address }: { state: string; address: string },
): Promise<void> {
  if ((await listUsers(trust.db)).length > 0) return;
  const path = adminFile(state);
  await createFirstUser(trust, { name: "admin", address }, (identity) =>
    writeFleetIdentity(path, identity),
  );
  log.info("admin-made", { file: path });
}
