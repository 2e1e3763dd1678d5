export type AgentState = "online" | "late" | "offline" | "revoked";

/** Three heartbeats missed, and six. */
const lateMs = 30_000;
const offlineMs = 60_000;

/** By the controller's clock. An agent that was never heard is offline. */
export function agentState(
  { lastSeenAt, revokedAt }: { lastSeenAt: Date | undefined; revokedAt: Date | undefined },
  now: Date,
): AgentState {
  if (revokedAt !== undefined) return "revoked";
  const silentMs = lastSeenAt === undefined ? Infinity : now.getTime() - lastSeenAt.getTime();
  if (silentMs >= offlineMs) return "offline";
  return silentMs >= lateMs ? "late" : "online";
}
