import { DbctlError, type ErrorCode } from "../../../core/errors.ts";
import { BodyReader } from "./messages.ts";

/** What the server said, as the cause of a `DbctlError`. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly sqlstate: string;
  readonly detail: string;

  constructor(fields: Map<string, string>) {
    super(fields.get("M") ?? "no message");
    this.sqlstate = fields.get("C") ?? "XX000";
    const where = fields.get("W")?.split("\n")[0];
    this.detail = [fields.get("D"), fields.get("H"), where].filter(Boolean).join("; ");
  }
}

/** The SQLSTATE behind an error, or undefined when it is not the server's. */
export function sqlstateOf(error: unknown): string | undefined {
  const cause = error instanceof DbctlError ? error.cause : undefined;
  return cause instanceof ServerError ? cause.sqlstate : undefined;
}

/** Translates the body of an ErrorResponse. `doing`: what failed, as in `Cannot <doing>: …`. */
export function translateServerError(body: Buffer, doing: string): DbctlError {
  const cause = new ServerError(readFields(body));
  const { code, remedy, retryable } = chooseMeaning(cause.sqlstate);
  const detail = cause.detail === "" ? "" : `; ${cause.detail}`;
  const message = `Cannot ${doing}: ${cause.message}${detail} (SQLSTATE ${cause.sqlstate})`;
  return new DbctlError(code, message, { remedy, retryable: retryable ?? false, cause });
}

/** Manual, "Error and Notice Message Fields". */
function readFields(body: Buffer): Map<string, string> {
  const reader = new BodyReader(body);
  const fields = new Map<string, string>();
  while (reader.rest > 1) {
    const name = String.fromCharCode(reader.uint8());
    fields.set(name, reader.string());
  }
  return fields;
}

interface Meaning {
  code: ErrorCode;
  remedy: string;
  retryable?: boolean;
}

const denied: Meaning = {
  code: "engine-denied",
  remedy: "Check user, password and pg_hba.conf; PGPASSWORD and ~/.pgpass are looked at",
};
const gone: Meaning = {
  code: "engine-unreachable",
  remedy: "Wait until the server is up and accepts connections, then try again",
  retryable: true,
};
const locked: Meaning = {
  code: "busy",
  remedy: "Try again when the conflicting statement has ended",
  retryable: true,
};

/** By SQLSTATE, or by its class (two characters). Manual, appendix "PostgreSQL Error Codes". */
const meanings: Record<string, Meaning> = {
  "08": gone,
  "0A": { code: "engine-unsupported", remedy: "This server does not offer what was asked for" },
  "28": denied,
  "3D000": {
    code: "database-unknown",
    remedy: "Check the name; to restore or import into a new database, add --create",
  },
  "40001": locked,
  "40P01": locked,
  "42501": { code: "engine-denied", remedy: "Grant the user the privilege that the server names" },
  "42P04": { code: "target-exists", remedy: "Choose another name, or restore into an empty one" },
  "53100": { code: "engine-refused", remedy: "Free disk space on the database server" },
  "53200": { code: "engine-refused", remedy: "Raise max_locks_per_transaction, or free memory" },
  "53300": {
    code: "busy",
    remedy: "Use fewer --jobs, raise max_connections or the role's limit, or end idle sessions",
    retryable: true,
  },
  "55006": locked,
  "55P03": locked,
  "57014": { code: "engine-refused", remedy: "Somebody cancelled it; try again", retryable: true },
  "57P": gone,
  "58": { code: "engine-refused", remedy: "Look into the server's log: its storage has failed" },
  XX: { code: "engine-refused", remedy: "Look into the server's log: data may be damaged" },
};
const other: Meaning = { code: "engine-refused", remedy: "Look into the server's log for details" };

function chooseMeaning(sqlstate: string): Meaning {
  const keys = [sqlstate, sqlstate.slice(0, 3), sqlstate.slice(0, 2)];
  return keys.map((key) => meanings[key]).find((meaning) => meaning !== undefined) ?? other;
}
