import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { DbctlError } from "../../../core/errors.ts";

/** Where a database is, as a URL says it. Plain data, without any password. */
export interface MysqlTarget {
  /** The product that the URL names; the server's greeting must agree. */
  scheme: Flavour;
  user: string;
  at: { kind: "socket"; path: string } | { kind: "tcp"; host: string; port: number };
  database: string;
  tls: TlsMode;
  /** File of the certificates to trust, instead of the system's. */
  ca: string | null;
}

export type Flavour = "mysql" | "mariadb";
export type TlsMode = "disable" | "require" | "verify-ca" | "verify-full";

/** Where both products put their socket (distributions, installers from source, containers). */
const usualSockets = [
  "/run/mysqld/mysqld.sock",
  "/var/run/mysqld/mysqld.sock",
  "/run/mysql/mysql.sock",
  "/var/lib/mysql/mysql.sock",
  "/tmp/mysql.sock",
];
const tlsModes: readonly string[] = ["disable", "require", "verify-ca", "verify-full"];
const form = "mariadb://user@host:3306/database, or mariadb://user@/database?socket=/path";
const shape =
  /^(mysql|mariadb):\/\/(?:([^@/?#]*)@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?\/([^/?#]*)(\?[^#]*)?$/;

/** Parses `mariadb://user@host:port/database?socket=…&sslmode=…&sslrootcert=…`, or `mysql://…`. */
export function parseMysqlTarget(url: string): MysqlTarget {
  const match = shape.exec(url);
  if (match === null) throw invalid("it does not have the right form", form);
  const [, scheme, login = "", host = "", port, name = "", query = ""] = match;
  const user = decode(login);
  if (login.includes(":")) throw passwordInUrl();
  const database = decode(name);
  if (database === "") throw invalid("it names no database", form);
  const options = new URLSearchParams(query);
  const at = parsePlace({ host: decode(host), port, socket: options.get("socket") });
  const target: MysqlTarget = {
    scheme: scheme === "mysql" ? "mysql" : "mariadb",
    user: user === "" ? userInfo().username : user,
    at,
    database,
    tls: parseTls(options.get("sslmode"), at),
    ca: options.get("sslrootcert"),
  };
  for (const key of options.keys()) {
    if (key === "password") throw passwordInUrl();
    if (!["socket", "sslmode", "sslrootcert"].includes(key))
      throw invalid(`it has the unknown option "${key}"`, "Options: socket, sslmode, sslrootcert");
  }
  return target;
}

/** The target as a person writes it. */
export function describeTarget({ scheme, user, at, database }: MysqlTarget): string {
  const place = at.kind === "tcp" ? `${at.host}:${at.port}` : "";
  const socket = at.kind === "socket" ? `?socket=${at.path}` : "";
  return `${scheme}://${user}@${place}/${database}${socket}`;
}

/** On this machine. */
export function isLocal({ at }: Pick<MysqlTarget, "at">): boolean {
  return at.kind === "socket" || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(at.host);
}

interface Place {
  host: string;
  port: string | undefined;
  socket: string | null;
}

function parsePlace({ host, port, socket }: Place): MysqlTarget["at"] {
  if (socket !== null && !socket.startsWith("/"))
    throw invalid(`its socket "${socket}" is no absolute path`, form);
  const path = socket ?? (host.startsWith("/") ? host : undefined);
  if (path !== undefined) return { kind: "socket", path };
  if (host === "" && port === undefined) {
    const found = usualSockets.find((candidate) => existsSync(candidate));
    if (found !== undefined) return { kind: "socket", path: found };
  }
  const number = Number(port ?? "3306");
  if (number < 1 || number > 65535) throw invalid(`its port is ${number}`, "Ports: 1 to 65535");
  const bare = host.startsWith("[") ? host.slice(1, -1) : host;
  return { kind: "tcp", host: bare === "" ? "127.0.0.1" : bare, port: number };
}

function parseTls(mode: string | null, at: MysqlTarget["at"]): TlsMode {
  const loopback = isLocal({ at });
  if (mode === null) return loopback ? "disable" : "verify-full";
  if (!tlsModes.includes(mode))
    throw invalid(`its sslmode is "${mode}"`, `Modes: ${tlsModes.join(", ")}`);
  if (mode === "disable" && !loopback)
    throw invalid(
      "it turns TLS off for a remote server",
      "Use sslmode=verify-full, with sslrootcert=FILE for a CA of your own",
    );
  return mode as TlsMode;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw invalid("it has a malformed percent escape", "Write % as %25", cause);
  }
}

function invalid(what: string, remedy: string, cause?: unknown): DbctlError {
  return new DbctlError("usage", `Cannot read the database URL: ${what}`, { remedy, cause });
}

function passwordInUrl(): DbctlError {
  return new DbctlError("secret-exposed", "Cannot read the database URL: it holds a password", {
    remedy: "Put the password into MYSQL_PWD or [client] of ~/.my.cnf, and change it: it was seen",
  });
}
