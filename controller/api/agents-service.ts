import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { formatToken } from "../../core/enrolment-token.ts";
import { DbctlError } from "../../core/errors.ts";
import type { OpenCalls } from "../../core/grpc/open-calls.ts";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import type { AgentSchema, AgentsService } from "../../proto/gen/dbctl/v1/agents_pb.ts";
import { type FleetAgent, listAgents, readAgent } from "../agents/list-agents.ts";
import { createEnrolmentSecret } from "../trust/enrolment-tokens.ts";
import type { TrustParts } from "../trust/enrol-agent.ts";
import { actorOf } from "../trust/identify.ts";
import { revokeAgent } from "../trust/revoke-agent.ts";

export interface AgentsParts extends TrustParts {
  /** Where agents reach this controller, `host:port`. */
  address: string;
  calls: OpenCalls;
}

export function createAgentsService(
  parts: AgentsParts,
): Implementation<typeof AgentsService, CallContext> {
  const { db, ca, now, address, calls } = parts;
  return {
    async createToken({ ttlSeconds, labels }) {
      const { secret, expiresAt } = await createEnrolmentSecret(db, { ttlSeconds, labels }, now());
      const token = formatToken({ address, ca: ca.fingerprint, secret });
      return { token, expiresAt: timestampFromDate(expiresAt) };
    },
    async listAgents() {
      return { agents: (await listAgents(db, now())).map(agentMessage) };
    },
    async revokeAgent({ agent }, { peer }) {
      const id = await revokeAgent(db, { agent, by: actorOf(peer.identity) }, now());
      calls.endWhere((identity) => identity.kind === "agent" && identity.id === id, revoked());
      return { agent: agentMessage(await readAgent(db, id, now())) };
    },
  };
}

function agentMessage(agent: FleetAgent): MessageInitShape<typeof AgentSchema> {
  const { enrolledAt, lastSeenAt, certificateEndsAt, ...rest } = agent;
  return {
    ...rest,
    enrolledAt: timestampFromDate(enrolledAt),
    certificateEndsAt: timestampFromDate(certificateEndsAt),
    ...(lastSeenAt === undefined ? {} : { lastSeenAt: timestampFromDate(lastSeenAt) }),
  };
}

function revoked(): DbctlError {
  return new DbctlError("identity-wrong", "Cannot go on with the call: the agent was revoked", {
    remedy: "Enrol the host again with a new token, if it is to be trusted again",
  });
}
