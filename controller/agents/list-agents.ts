import { DbctlError } from "../../core/errors.ts";
import type { Db, Row } from "../database/database.ts";
import { type AgentState, agentState } from "./agent-state.ts";

export interface FleetAgent {
  id: string;
  host: string;
  version: string;
  /** age public key; empty until its first hello. */
  recipient: string;
  labels: Record<string, string>;
  enrolledAt: Date;
  lastSeenAt: Date | undefined;
  certificateEndsAt: Date;
  /** The host's clock minus the controller's. */
  clockSkewSeconds: number;
  state: AgentState;
}

/** All agents, by host. */
export async function listAgents(db: Db, now: Date): Promise<FleetAgent[]> {
  const rows = await db.all("select * from agents order by host");
  return rows.map((row) => agentFrom(row, now));
}

/** The agent of this host name or id. */
export async function readAgent(db: Db, name: string, now: Date): Promise<FleetAgent> {
  const row = await db.one("select * from agents where host = :name or id = :name", { name });
  if (row !== undefined) return agentFrom(row, now);
  throw new DbctlError("host-unknown", `Cannot find the agent ${name}: there is none`, {
    remedy: "See `dbctl agents ls` for names and ids",
  });
}

function agentFrom(row: Row, now: Date): FleetAgent {
  const lastSeenAt = date(row["last_seen_at"]);
  return {
    id: String(row["id"]),
    host: String(row["host"]),
    version: String(row["version"]),
    recipient: String(row["recipient"]),
    labels: JSON.parse(String(row["labels"])) as Record<string, string>,
    enrolledAt: new Date(String(row["enrolled_at"])),
    lastSeenAt,
    certificateEndsAt: new Date(String(row["certificate_ends_at"])),
    clockSkewSeconds: Number(row["clock_skew_seconds"]),
    state: agentState({ lastSeenAt, revokedAt: date(row["revoked_at"]) }, now),
  };
}

function date(value: Row[string] | undefined): Date | undefined {
  return value === null || value === undefined ? undefined : new Date(String(value));
}
