import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { userInfo } from "node:os";
import { DbctlError } from "../../../core/errors.ts";

/** One database and the way to it. Plain data without a password: it crosses threads. */
export interface PostgresTarget {
  /** Host name or address, or the folder of the unix socket. */
  host: string;
  port: number;
  user: string;
  database: string;
  tls: TlsMode;
  /** PEM files: who may sign the server's certificate; our own certificate and its key. */
  files: { ca?: string; certificate?: string; key?: string };
}

export type TlsMode = "disable" | "require" | "verify-ca" | "verify-full";

const tlsModes: readonly string[] = ["disable", "require", "verify-ca", "verify-full"];
const known = ["host", "port", "user", "sslmode", "sslrootcert", "sslcert", "sslkey"];
const socketFolders = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/** Form of a URL as in libpq's manual, "Connection URIs", with one host and no password. */
export function parsePostgresTarget(url: string): PostgresTarget {
  const parts =
    /^postgres(?:ql)?:\/\/(?<authority>[^/?]*)(?<path>\/[^?]*)?(?:\?(?<query>.*))?$/s.exec(
      url,
    )?.groups;
  if (parts === undefined) throw invalid("it does not have the form of one");
  const authority = parseAuthority(parts["authority"] ?? "");
  const options = parseOptions(parts["query"] ?? "");
  const database = decode(parts["path"]?.slice(1) ?? "");
  if (database === "") throw invalid("it names no database");
  const port = parsePort(options.get("port") ?? authority.port ?? "5432");
  const host = options.get("host") ?? (authority.host || findHost(port));
  const user = options.get("user") ?? (authority.user || userInfo().username);
  for (const value of [host, user, database])
    if (value.includes("\0")) throw invalid("it contains a zero byte");
  if (host.includes(",")) throw invalid("it names several hosts");
  return { host, port, user, database, tls: chooseTls(options, host), files: tlsFiles(options) };
}

/** For people: `shop on db7`. */
export function describeTarget({ database, host }: PostgresTarget): string {
  return `${database} on ${host}`;
}

export function isSocket({ host }: Pick<PostgresTarget, "host">): boolean {
  return host.startsWith("/");
}

/** On this machine. */
export function isLocal(target: Pick<PostgresTarget, "host">): boolean {
  return isSocket(target) || isLoopback(target.host);
}

function parseAuthority(text: string): { user: string; host: string; port?: string } {
  const at = text.lastIndexOf("@");
  const [user = "", ...password] = at === -1 ? [] : text.slice(0, at).split(":");
  if (password.length > 0) throw exposed();
  const place = /^(\[(?<address>[^\]]*)\]|(?<name>[^:]*))(:(?<port>[0-9]*))?$/s.exec(
    text.slice(at + 1),
  )?.groups;
  if (place === undefined) throw invalid("its host has an unknown form");
  const address = place["address"];
  if (address !== undefined && isIP(address) !== 6) throw invalid("[ ] holds no IPv6 address");
  const host = address ?? decode(place["name"] ?? "");
  return { user: decode(user), host, ...(place["port"] ? { port: place["port"] } : {}) };
}

function parseOptions(query: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const pair of query.split("&").filter((text) => text !== "")) {
    const [name = "", ...value] = pair.split("=");
    if (name === "password" || name === "sslpassword") throw exposed();
    if (!known.includes(name))
      throw invalid(`its option "${name}" is unknown (known: ${known.join(", ")})`);
    options.set(name, decode(value.join("=")));
  }
  return options;
}

function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw invalid("its port is not between 1 and 65535");
  return port;
}

/** Where a server listens on this machine: a unix socket first, as local users expect. */
function findHost(port: number): string {
  const folder = socketFolders.find((path) => existsSync(`${path}/.s.PGSQL.${port}`));
  return folder ?? "localhost";
}

function chooseTls(options: Map<string, string>, host: string): TlsMode {
  if (isSocket({ host })) return "disable";
  const mode = options.get("sslmode") ?? (isLoopback(host) ? "disable" : "verify-full");
  if (!tlsModes.includes(mode))
    throw invalid(`its sslmode "${mode}" is none of ${tlsModes.join(", ")}`);
  return mode as TlsMode;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function tlsFiles(options: Map<string, string>): PostgresTarget["files"] {
  const files: PostgresTarget["files"] = {};
  const [ca, certificate, key] = ["sslrootcert", "sslcert", "sslkey"].map((o) => options.get(o));
  if (ca !== undefined) files.ca = ca;
  if (certificate !== undefined) files.certificate = certificate;
  if (key !== undefined) files.key = key;
  return files;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("a % in it is not followed by two hexadecimal digits of valid UTF-8");
  }
}

// The URL itself is not shown: what cannot be parsed may well hold a password.
function invalid(what: string): DbctlError {
  return new DbctlError("config-invalid", `Cannot read the PostgreSQL URL: ${what}`, {
    remedy:
      "Write postgres://user@host:5432/database, or postgres://user@/database?host=/socket/folder",
  });
}

function exposed(): DbctlError {
  return new DbctlError("secret-exposed", "Cannot use the PostgreSQL URL: it holds a password", {
    remedy:
      "Take it out (arguments can be seen by all users) and put it into ~/.pgpass or PGPASSWORD",
  });
}
