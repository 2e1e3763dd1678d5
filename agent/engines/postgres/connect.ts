import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectSocket, type OnReadOpts, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type TLSSocket } from "node:tls";
import { DbctlError } from "../../../core/errors.ts";
import { encodeMessage, uint32, violation } from "./messages.ts";
import { describeTarget, isSocket, type PostgresTarget } from "./target.ts";

interface ConnectOptions {
  signal: AbortSignal;
  /** Used for a socket without TLS, which can read into memory of ours. */
  onread: OnReadOpts;
}

/** Opens the way to the server. A TLS socket is read by its `data` events, others by `onread`. */
export async function connect(
  target: PostgresTarget,
  { signal, onread }: ConnectOptions,
): Promise<Socket | TLSSocket> {
  const { host, port } = target;
  const place = isSocket(target) ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  const plain = target.tls === "disable";
  const socket = connectSocket({ ...place, noDelay: true, ...(plain ? { onread } : {}) });
  try {
    await once(socket, "connect", { signal });
    if (!isSocket(target)) socket.setKeepAlive(true, 60_000);
    return plain ? socket : await startTls(socket, target, signal);
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw translateSocketError(error, target);
  }
}

/** Manual, "SSL Session Encryption". */
async function startTls(
  socket: Socket,
  target: PostgresTarget,
  signal: AbortSignal,
): Promise<TLSSocket> {
  socket.write(encodeMessage("", uint32(80877103)));
  const events = ["data", "close"].map((name) => once(socket, name, { signal }));
  const answer = String((await Promise.race(events))[0]);
  if (answer === "N") throw noTls(target);
  // More than the one byte would be plain text that somebody slipped in (CVE-2021-23222).
  if (answer !== "S") throw violation("it did not answer the request for TLS");
  socket.removeAllListeners("data");
  const { ca, certificate, key } = target.files;
  const secured = connectTls({
    socket,
    servername: /^[0-9.]+$|:/.test(target.host) ? "" : target.host,
    minVersion: "TLSv1.2",
    // Judged below, where the certificate can still be shown.
    rejectUnauthorized: false,
    checkServerIdentity: (_, peer) =>
      target.tls === "verify-full" ? checkServerIdentity(target.host, peer) : undefined,
    ...(ca === undefined ? {} : { ca: readPem(ca) }),
    ...(certificate === undefined ? {} : { cert: readPem(certificate) }),
    ...(key === undefined ? {} : { key: readPem(key) }),
  });
  socket.on("error", (error) => secured.destroy(error));
  try {
    await once(secured, "secureConnect", { signal });
    if (target.tls !== "require" && !secured.authorized) throw untrusted(target, secured);
    return secured;
  } catch (error) {
    secured.destroy();
    throw error;
  }
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new DbctlError("file-missing", `Cannot read ${path}: ${(cause as Error).message}`, {
      remedy: "Check the file that the URL names",
      cause,
    });
  }
}

/** An error of the socket at any time, as the caller should see it. */
export function translateSocketError(cause: unknown, target: PostgresTarget): DbctlError {
  if (cause instanceof DbctlError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === undefined) return DbctlError.from(cause);
  const what = `Cannot reach ${describeTarget(target)}`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    const remedy = "Check the host name and this machine's name resolution";
    const retryable = code === "EAI_AGAIN";
    return new DbctlError("host-unknown", `${what}: its name has no address`, {
      remedy,
      retryable,
      cause,
    });
  }
  if (code === "EACCES" || code === "EPERM")
    return new DbctlError("engine-denied", `${what}: ${message}`, {
      remedy: "Run dbctl as a user that may open the server's unix socket",
      cause,
    });
  return new DbctlError("engine-unreachable", `${what}: ${message || String(code)}`, {
    remedy: "Check that the server is up and that host, port and firewall are right",
    retryable: true,
    cause,
  });
}

function noTls(target: PostgresTarget): DbctlError {
  return new DbctlError(
    "engine-denied",
    `Cannot reach ${describeTarget(target)}: the server does not offer TLS`,
    { remedy: "Switch ssl on in its postgresql.conf, or write ?sslmode=disable into the URL" },
  );
}

function untrusted(target: PostgresTarget, secured: TLSSocket): DbctlError {
  const { fingerprint256 } = secured.getPeerCertificate();
  const why = String(secured.authorizationError);
  return new DbctlError(
    "identity-wrong",
    `Cannot trust ${describeTarget(target)}: ${why}; SHA-256 fingerprint seen: ${fingerprint256}`,
    { remedy: "Write ?sslrootcert=<file with the CA that signed it> into the URL" },
  );
}
