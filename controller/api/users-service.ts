import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DbctlError } from "../../core/errors.ts";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { OpenCalls } from "../../core/grpc/open-calls.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import type { UserSchema, UsersService } from "../../proto/gen/dbctl/v1/users_pb.ts";
import type { TrustParts } from "../trust/enrol-agent.ts";
import { type FleetUser, addUser, listUsers, revokeUser } from "../trust/users.ts";

export function createUsersService(
  parts: TrustParts & { calls: OpenCalls },
): Implementation<typeof UsersService, CallContext> {
  const { db, ca, now, calls } = parts;
  return {
    async addUser({ name, role, certificateRequest: request }) {
      const { certificate } = await addUser(parts, { name, role, request });
      return { certificate, caCertificate: ca.certificate };
    },
    async listUsers() {
      return { users: (await listUsers(db)).map(userMessage) };
    },
    async revokeUser({ name }) {
      const user = await revokeUser(db, name, now());
      calls.endWhere((identity) => identity.kind === "user" && identity.name === name, revoked());
      return { user: userMessage(user) };
    },
  };
}

function userMessage({ name, role, createdAt, revokedAt }: FleetUser) {
  const message: MessageInitShape<typeof UserSchema> = {
    name,
    role,
    createdAt: timestampFromDate(createdAt),
  };
  if (revokedAt !== undefined) message.revokedAt = timestampFromDate(revokedAt);
  return message;
}

function revoked(): DbctlError {
  return new DbctlError("identity-wrong", "Cannot go on with the call: the user was revoked", {
    remedy: "Ask an admin for a new identity file",
  });
}
