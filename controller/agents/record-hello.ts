import { timestampDate } from "@bufbuild/protobuf/wkt";
import { DbctlError } from "../../core/errors.ts";
import type { Heartbeat, Hello } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import type { Db } from "../database/database.ts";
import { recordInstances } from "./record-instances.ts";

/** Writes down what an agent says of itself at the begin of a link. */
export async function recordHello(
  db: Db,
  { agentId, hello }: { agentId: string; hello: Hello },
  now: Date,
): Promise<void> {
  await db.transaction(async (inner) => {
    await recordSeen(inner, { agentId, message: hello }, now);
    await inner.run(
      "update agents set version = :version, recipient = :recipient where id = :agentId",
      { agentId, version: hello.version, recipient: hello.recipient },
    );
  });
}

/** Writes down that an agent lives, and what it sees when that has changed. */
export async function recordHeartbeat(
  db: Db,
  { agentId, heartbeat }: { agentId: string; heartbeat: Heartbeat },
  now: Date,
): Promise<void> {
  await db.transaction((inner) => recordSeen(inner, { agentId, message: heartbeat }, now));
}

interface Sighting {
  agentId: string;
  message: Hello | Heartbeat;
}

async function recordSeen(db: Db, { agentId, message }: Sighting, now: Date): Promise<void> {
  const skew =
    message.hostTime === undefined
      ? 0
      : (timestampDate(message.hostTime).getTime() - now.getTime()) / 1000;
  const changed = await db.run(
    `update agents set last_seen_at = :now, clock_skew_seconds = :skew
     where id = :agentId and revoked_at is null`,
    { agentId, now: now.toISOString(), skew },
  );
  if (changed !== 1)
    throw new DbctlError("identity-wrong", "Cannot take the heartbeat: the agent is revoked", {
      remedy: "Enrol the host again with a new token, if it is to be trusted again",
    });
  // None means that nothing has changed: an agent has at least one instance.
  if (message.instances.length > 0) {
    await recordInstances(db, { agentId, instances: message.instances }, now);
  }
}
