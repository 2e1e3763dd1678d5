/**
 * The one error class of dbctl: a stable code, a sentence on what happened, a remedy for a person.
 * Foreign errors are translated once, in the adapter that meets them.
 */

/**
 * Exit codes by error code, after BSD's sysexits(3). Scripts rely on these numbers: a code may be
 * added, never changed.
 */
export const exitCodes = {
  failed: 1,
  usage: 2,
  "repository-damaged": 65,
  "digest-mismatch": 65,
  "dump-damaged": 65,
  "dump-refused": 65,
  "repository-unknown": 66,
  "backup-unknown": 66,
  "database-unknown": 66,
  "job-unknown": 66,
  "policy-unknown": 66,
  "restore-unknown": 66,
  "file-missing": 66,
  "object-missing": 66,
  "host-unknown": 68,
  "engine-unreachable": 69,
  "controller-unreachable": 69,
  "store-unreachable": 69,
  "bus-unreachable": 69,
  "port-taken": 69,
  "internal-bug": 70,
  "system-failed": 71,
  "target-exists": 73,
  "target-not-empty": 73,
  "target-changed": 73,
  "cannot-create": 73,
  "object-exists": 73,
  "store-full": 74,
  "store-io": 74,
  busy: 75,
  "object-locked": 75,
  "repository-newer": 76,
  "protocol-violated": 76,
  "engine-refused": 1,
  "engine-denied": 77,
  "store-denied": 77,
  "identity-wrong": 77,
  "access-denied": 77,
  "token-refused": 77,
  "secret-exposed": 77,
  "config-invalid": 78,
  "engine-unsupported": 78,
  "object-unsupported": 78,
  "timed-out": 124,
  interrupted: 130,
} as const;

export type ErrorCode = keyof typeof exitCodes;

interface Details {
  /** One sentence to a person: what to do next. */
  remedy: string;
  /** Whether the same call may succeed later without anybody's help. */
  retryable?: boolean;
  cause?: unknown;
}

/** Thrown with a sentence of the form `Cannot <act> <object>: <what is>`. */
export class DbctlError extends Error {
  override readonly name = "DbctlError";
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, { remedy, retryable = false, cause }: Details) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.remedy = remedy;
    this.retryable = retryable;
  }

  /**
   * What is not a `DbctlError` yet is a bug of ours, and says so. When closing something fails after
   * an error, that error stays the one to report, and says what came after it.
   */
  static from(reason: unknown): DbctlError {
    if (reason instanceof DbctlError) return reason;
    if (reason instanceof SuppressedError) {
      const [first, then] = [DbctlError.from(reason.suppressed), DbctlError.from(reason.error)];
      const { code, message, remedy, retryable } = first;
      const details = { remedy, retryable, cause: reason };
      return new DbctlError(code, `${message}; and then: ${then.message}`, details);
    }
    const what = reason instanceof Error ? reason.message : String(reason);
    return new DbctlError("internal-bug", `Cannot go on: ${what}`, {
      remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
      cause: reason,
    });
  }
}

/** What a structured clone (worker threads) or JSON keeps of an error. */
export interface ErrorRecord {
  code: ErrorCode;
  message: string;
  remedy: string;
  retryable: boolean;
  stack: string;
}

export function errorToRecord(reason: unknown): ErrorRecord {
  const error = DbctlError.from(reason);
  const inner = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : "";
  const { code, message, remedy, retryable } = error;
  return { code, message, remedy, retryable, stack: `${error.stack}${inner}` };
}

export function errorFromRecord(record: ErrorRecord): DbctlError {
  const error = new DbctlError(record.code, record.message, record);
  error.stack = record.stack;
  return error;
}
