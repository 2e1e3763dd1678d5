import { DbctlError } from "../../../core/errors.ts";
import { remoteFailure } from "../remote/remote-failure.ts";

/** What was asked for when it failed. */
export interface Failed {
  act: string;
  /** `a/b in s3://bucket/prefix`. */
  object: string;
  /** Where the credentials come from, if that is known. */
  source: string | undefined;
}

/** Translates what the SDK throws, by status and the store's code for it. */
export function s3Failure(error: unknown, { act, object, source }: Failed): DbctlError {
  if (error instanceof DbctlError) return error;
  const { status, name, retryAfterMs } = factsOf(error);
  const said = [`Cannot ${act} ${object}: `, name].join("");
  const details = { retryable: false, cause: error };
  const special = specialOf(name, source);
  if (special !== undefined)
    return new DbctlError(special.code, `${said}${special.what ?? ""}`, {
      ...details,
      retryable: special.retryable ?? false,
      remedy: special.remedy,
    });
  const more = {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(source === undefined ? {} : { source }),
  };
  const known = status === undefined ? { name } : { status, name };
  return remoteFailure({ act, object, ...known, ...more, cause: error });
}

/** The store's own code for what was wrong, or Node's for a connection. */
export function nameOf(error: unknown): string {
  return factsOf(error).name;
}

export function statusOf(error: unknown): number | undefined {
  return factsOf(error).status;
}

interface Facts {
  status?: number;
  name: string;
  retryAfterMs?: number;
}

function factsOf(error: unknown): Facts {
  if (error instanceof DbctlError && error.cause !== undefined) return factsOf(error.cause);
  const { name, code, $metadata, $response } = error as {
    name?: string;
    code?: unknown;
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number; headers?: Record<string, string> };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  const seconds = Number($response?.headers?.["retry-after"]);
  return {
    ...(status === undefined ? {} : { status }),
    name: typeof code === "string" && status === undefined ? code : (name ?? ""),
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

interface Special {
  code: "store-denied" | "store-full" | "config-invalid" | "busy" | "store-io";
  what?: string;
  remedy: string;
  retryable?: boolean;
}

/** By the store's code. */
const specials: Record<string, Special> = {
  CredentialsProviderError: noCredentials(),
  TokenProviderError: noCredentials(),
  RequestTimeTooSkewed: { code: "store-denied", remedy: "Set this host's clock right" },
  QuotaExceeded: { code: "store-full", remedy: "Raise the quota, or prune the repository" },
  XMinioStorageFull: { code: "store-full", remedy: "Give it space, or prune the repository" },
  // Another request was creating the object in the same moment.
  ConditionalRequestConflict: { code: "busy", remedy: "Try again", retryable: true },
  OperationAborted: { code: "busy", remedy: "Try again", retryable: true },
  BadDigest: changedOnItsWay(),
  XAmzContentSHA256Mismatch: changedOnItsWay(),
  InvalidStorageClass: { code: "store-io", remedy: "Name a storage-class that this store has" },
  NotImplemented: {
    code: "store-io",
    remedy:
      "If it is about If-None-Match, and the bucket keeps versions: add conditional-put=false",
  },
};

const expired = new Set(["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]);
const wrongKeys = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"]);
const badCertificates =
  /^(CERT_|UNABLE_TO_(VERIFY|GET)|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT|HOSTNAME_MISMATCH)/;

function specialOf(name: string, source: string | undefined): Special | undefined {
  if (expired.has(name) || wrongKeys.has(name)) {
    const what = source === undefined ? "" : ` (credentials from ${source})`;
    const verb = expired.has(name) ? "Renew" : "Correct";
    return { code: "store-denied", what, remedy: `${verb} ${source ?? "the credentials"}` };
  }
  if (!badCertificates.test(name)) return specials[name];
  return {
    code: "config-invalid",
    remedy: "Name the file of the server's own CA in NODE_EXTRA_CA_CERTS",
  };
}

function noCredentials(): Special {
  return {
    code: "store-denied",
    what: " (no credentials were found)",
    remedy: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give a role",
  };
}

function changedOnItsWay(): Special {
  const remedy = "Check what stands between here and the store";
  return { code: "store-io", remedy, retryable: true };
}
