import { DbctlError, type ErrorCode } from "../../../core/errors.ts";

/** What an ERR packet says (protocol manual, "ERR_Packet"). */
export interface Refusal {
  errno: number;
  state: string;
  message: string;
}

/** The server's refusal as an error of ours; `act` completes "Cannot …". */
export function refused(refusal: Refusal, act: string): DbctlError {
  const known = table[refusal.errno] ?? fallback;
  const said = `${refusal.message} (error ${refusal.errno})`;
  return new DbctlError(known.code, `Cannot ${act}: ${said}`, {
    remedy: known.remedy,
    retryable: known.retryable ?? false,
    cause: refusal,
  });
}

/** The server's error number, when the reason is a refusal of the server. */
export function errnoOf(reason: unknown): number | undefined {
  if (!(reason instanceof DbctlError)) return undefined;
  const { cause } = reason;
  if (typeof cause !== "object" || cause === null || !("errno" in cause)) return undefined;
  return typeof cause.errno === "number" ? cause.errno : undefined;
}

export function protocolViolated(what: string): DbctlError {
  return new DbctlError("protocol-violated", `Cannot talk to the server: ${what}`, {
    remedy: "Check that a MySQL or MariaDB server answers there, and what stands in between",
  });
}

/** Error numbers: MariaDB manual, "MariaDB Error Codes"; MySQL error message reference. */
const denied = {
  code: "engine-denied",
  remedy: "Grant the account the right that the message names",
} as const;
const login = {
  code: "engine-denied",
  remedy: "Check user and password: MYSQL_PWD, or [client] of ~/.my.cnf",
} as const;
const busy = {
  code: "busy",
  remedy: "Try again later; long statements and schema changes get in the way",
  retryable: true,
} as const;
const crowded = {
  code: "busy",
  remedy: "Raise max_connections, or use fewer --jobs",
  retryable: true,
} as const;
const fallback: Known = {
  code: "engine-refused",
  remedy: "See the server's message; its error log may say more",
};
const table: Record<number, Known> = {
  1045: login,
  1698: login,
  1130: { code: "engine-denied", remedy: "Create the account for this host, or use the socket" },
  1044: denied,
  1142: denied,
  1143: denied,
  1227: denied,
  1370: denied,
  1049: {
    code: "database-unknown",
    remedy: "Check the name; to restore or import into a new database, add --create",
  },
  1040: crowded,
  1203: crowded,
  1226: crowded,
  1205: busy,
  1213: busy,
  1412: {
    code: "busy",
    remedy: "A table was changed while the backup ran: start the backup again",
    retryable: true,
  },
  1153: { code: "engine-refused", remedy: "Raise max_allowed_packet of the server" },
  1148: { code: "engine-denied", remedy: "Run SET GLOBAL local_infile = ON on the target server" },
  3948: { code: "engine-denied", remedy: "Run SET GLOBAL local_infile = ON on the target server" },
};

interface Known {
  code: ErrorCode;
  remedy: string;
  retryable?: boolean;
}
