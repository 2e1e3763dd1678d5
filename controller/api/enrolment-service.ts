import { DbctlError } from "../../core/errors.ts";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import { Secret } from "../../core/secret.ts";
import type { EnrolmentService } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { type TrustParts, enrolAgent, renewAgent } from "../trust/enrol-agent.ts";

export function createEnrolmentService(
  parts: TrustParts,
): Implementation<typeof EnrolmentService, CallContext> {
  return {
    async enrol({ token, host, certificateRequest: request }) {
      const { agentId, certificate } = await enrolAgent(parts, {
        secret: new Secret(token),
        host,
        request,
      });
      return { agentId, certificate, caCertificate: parts.ca.certificate };
    },
    async renew({ certificateRequest: request }, { peer: { identity } }) {
      // `identify` lets nobody else through; the type does not know that.
      if (identity.kind !== "agent")
        throw new DbctlError("access-denied", "Cannot renew the certificate: this is no agent", {
          remedy: "Only agents renew",
        });
      const { certificate } = await renewAgent(parts, { agentId: identity.id, request });
      return { certificate };
    },
  };
}
