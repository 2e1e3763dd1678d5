import { DbctlError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";

/**
 * Takes all trust from an agent, named by host or id: its certificates are refused from now on, the
 * old ones also after the host has enrolled again. The caller ends its open calls. Gives its id.
 */
export async function revokeAgent(
  db: Db,
  { agent, by }: { agent: string; by: string },
  now: Date,
): Promise<string> {
  return await db.transaction(async (inner) => {
    const row = await inner.one(
      "select id, host, revoked_at from agents where host = :agent or id = :agent",
      { agent },
    );
    if (row === undefined)
      throw new DbctlError("host-unknown", `Cannot revoke ${agent}: there is no such agent`, {
        remedy: "See `dbctl agents ls` for names and ids",
      });
    const id = String(row["id"]);
    const at = now.toISOString();
    await inner.run("delete from certificates where kind = 'agent' and subject = :id", { id });
    const changed = await inner.run(
      "update agents set revoked_at = :at where id = :id and revoked_at is null",
      { id, at },
    );
    if (changed === 1) await recordEvent(inner, revoked(String(row["host"]), by), now);
    return id;
  });
}

function revoked(host: string, by: string) {
  return {
    id: newId(),
    type: "agent_revoked",
    kind: "event",
    severity: "warning",
    host,
    instance: "",
    database: "",
    message: `Agent ${host} was revoked by ${by}`,
    details: { by },
  } as const;
}
