import { DbctlError, type ErrorCode } from "../../../core/errors.ts";

/** What is known of a request that failed. */
export interface FailedRequest {
  /** For the sentence: `create`, `read`, `look at`, `list`, `remove` … */
  act: string;
  /** `a/b in s3://bucket/prefix`. */
  object: string;
  /** HTTP status; undefined when there was no answer. */
  status?: number;
  /** The store's own code for it, such as `SlowDown`. */
  name?: string;
  /** What the store's `Retry-After` says, in milliseconds. */
  retryAfterMs?: number;
  /** Where the credentials come from, such as `AZURE_STORAGE_KEY`. */
  source?: string;
  cause: unknown;
}

/**
 * The error for a request that failed, by status and the store's code for it, never by its text
 * (REPO-14). 408, 429, 5xx and no answer at all may be tried again.
 */
export function remoteFailure(request: FailedRequest): DbctlError {
  const { act, object, status, name, retryAfterMs, cause } = request;
  const { code, remedy, retryable } = kindOf(request);
  const said = [status === undefined ? "no answer" : `HTTP ${status}`, name].filter(Boolean);
  const error = new DbctlError(code, `Cannot ${act} ${object}: ${said.join(", ")}`, {
    remedy,
    retryable,
    cause,
  });
  if (retryAfterMs !== undefined) waits.set(error, retryAfterMs);
  return error;
}

/** How long the store asked to be left alone, in milliseconds. */
export function askedToWait(error: unknown): number | undefined {
  return error instanceof DbctlError ? waits.get(error) : undefined;
}

const waits = new WeakMap<DbctlError, number>();

interface Kind {
  code: ErrorCode;
  remedy: string;
  retryable: boolean;
}

const expired = new Set(["ExpiredToken", "RequestExpired", "TokenRefreshRequired"]);

function kindOf({ status, name = "", source }: FailedRequest): Kind {
  if (status === undefined || status === 408 || status === 429 || status >= 500)
    return {
      code: "store-unreachable",
      remedy: "Check the network and the store's own status, then try again",
      retryable: true,
    };
  if (status === 401 || status === 403 || expired.has(name))
    return {
      code: "store-denied",
      remedy: `Check ${source ?? "the credentials"} and the rights there (docs/repository.md)`,
      retryable: false,
    };
  if (status === 404)
    return {
      code: "repository-unknown",
      remedy: "Check the URL: the bucket or container is not there",
      retryable: false,
    };
  return {
    code: "store-io",
    remedy: "Look up what the store says; the request was refused for good",
    retryable: false,
  };
}
