import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ServiceError, Metadata, status } from "@grpc/grpc-js";
import { type ErrorDetail, ErrorDetailSchema } from "../../proto/gen/dbctl/v1/errors_pb.ts";
import { type ErrorCode, DbctlError, exitCodes } from "../errors.ts";

/** What a call ends with. The whole error is in the metadata; other gRPC tools read the rest. */
export interface CallStatus {
  code: status;
  details: string;
  metadata: Metadata;
}

/** gRPC status by error code (grpc.io, "Status codes and their use in gRPC"). */
const statusCodes = {
  failed: status.UNKNOWN,
  usage: status.INVALID_ARGUMENT,
  "repository-damaged": status.DATA_LOSS,
  "digest-mismatch": status.DATA_LOSS,
  "dump-damaged": status.DATA_LOSS,
  "dump-refused": status.INVALID_ARGUMENT,
  "repository-unknown": status.NOT_FOUND,
  "backup-unknown": status.NOT_FOUND,
  "database-unknown": status.NOT_FOUND,
  "job-unknown": status.NOT_FOUND,
  "policy-unknown": status.NOT_FOUND,
  "restore-unknown": status.NOT_FOUND,
  "file-missing": status.NOT_FOUND,
  "object-missing": status.NOT_FOUND,
  "host-unknown": status.NOT_FOUND,
  "engine-unreachable": status.UNAVAILABLE,
  "controller-unreachable": status.UNAVAILABLE,
  "store-unreachable": status.UNAVAILABLE,
  "bus-unreachable": status.UNAVAILABLE,
  "port-taken": status.UNAVAILABLE,
  "internal-bug": status.INTERNAL,
  "system-failed": status.INTERNAL,
  "target-exists": status.ALREADY_EXISTS,
  "target-not-empty": status.ALREADY_EXISTS,
  "target-changed": status.FAILED_PRECONDITION,
  "cannot-create": status.FAILED_PRECONDITION,
  "object-exists": status.ALREADY_EXISTS,
  "store-full": status.RESOURCE_EXHAUSTED,
  "store-io": status.UNKNOWN,
  busy: status.ABORTED,
  "object-locked": status.FAILED_PRECONDITION,
  "repository-newer": status.FAILED_PRECONDITION,
  "protocol-violated": status.INTERNAL,
  "engine-refused": status.FAILED_PRECONDITION,
  "engine-denied": status.PERMISSION_DENIED,
  "store-denied": status.PERMISSION_DENIED,
  "identity-wrong": status.UNAUTHENTICATED,
  "access-denied": status.PERMISSION_DENIED,
  "token-refused": status.UNAUTHENTICATED,
  "secret-exposed": status.FAILED_PRECONDITION,
  "config-invalid": status.INVALID_ARGUMENT,
  "engine-unsupported": status.UNIMPLEMENTED,
  "object-unsupported": status.UNIMPLEMENTED,
  "timed-out": status.DEADLINE_EXCEEDED,
  interrupted: status.CANCELLED,
} as const satisfies Record<ErrorCode, status>;

const detailKey = "dbctl-error-bin";

export function errorToStatus(reason: unknown): CallStatus {
  const error = DbctlError.from(reason);
  const metadata = new Metadata();
  metadata.set(detailKey, Buffer.from(toBinary(ErrorDetailSchema, errorToDetail(error))));
  return { code: statusCodes[error.code], details: error.message, metadata };
}

/** The error of a call that failed, be it the other side's or the network's. */
export function errorFromStatus(
  failure: ServiceError,
  { call, address }: { call: string; address: string },
): DbctlError {
  const [bytes] = failure.metadata?.get(detailKey) ?? [];
  if (bytes instanceof Buffer) return errorFromDetail(fromBinary(ErrorDetailSchema, bytes));
  const code = codeOfBareStatus(failure.code);
  const act = `Cannot call ${call} at ${address}`;
  return new DbctlError(code, `${act}: ${failure.details || failure.message}`, {
    remedy: bareRemedies[code],
    retryable: code === "controller-unreachable" || code === "timed-out",
    cause: failure,
  });
}

export function errorToDetail(reason: unknown): ErrorDetail {
  const { code, message, remedy, retryable } = DbctlError.from(reason);
  return create(ErrorDetailSchema, { code, message, remedy, retryable });
}

/** A code that only a newer peer knows becomes `failed`. */
export function errorFromDetail({ code, message, remedy, retryable }: ErrorDetail): DbctlError {
  const known = Object.hasOwn(exitCodes, code) ? (code as ErrorCode) : "failed";
  return new DbctlError(known, message, { remedy, retryable });
}

const bareRemedies = {
  "controller-unreachable": "Check the address, the network and that the controller runs",
  "timed-out": "Try again; if it happens each time, look at the controller's log",
  interrupted: "Run it again",
  "protocol-violated": "Check that both sides are dbctl, and of versions that belong together",
} as const;

/** What a status means that did not come from our own code: gRPC's library or the network. */
function codeOfBareStatus(code: status): keyof typeof bareRemedies {
  if (code === status.UNAVAILABLE) return "controller-unreachable";
  if (code === status.DEADLINE_EXCEEDED) return "timed-out";
  if (code === status.CANCELLED) return "interrupted";
  return "protocol-violated";
}
