import { readFile } from "node:fs/promises";
import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { DbctlError } from "../../../core/errors.ts";
import type { MysqlTarget } from "./target.ts";

/** Encrypts a connected socket; checks the certificate as the target's mode says. */
export async function encrypt(socket: Socket, target: MysqlTarget): Promise<TLSSocket> {
  const host = target.at.kind === "tcp" ? target.at.host : "localhost";
  const secure = connect({
    socket,
    // The name that the certificate must have; without it "localhost" would do for an address.
    host,
    minVersion: "TLSv1.2",
    // Judged below, where the certificate can still be seen; nothing is sent before.
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(target.ca === null ? {} : { ca: await readCertificates(target.ca) }),
    ...(target.tls === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  });
  try {
    await agreed(secure);
  } catch (cause) {
    const what = (cause as Error).message;
    throw new DbctlError("engine-denied", `Cannot encrypt the connection to ${host}: ${what}`, {
      remedy: "Check that the server offers TLS 1.2 or newer",
      cause,
    });
  }
  if (target.tls === "require" || secure.authorized) return secure;
  const seen = secure.getPeerCertificate().fingerprint256;
  const why = String(secure.authorizationError);
  secure.destroy();
  throw new DbctlError("engine-denied", `Cannot trust the certificate of ${host}: ${why}`, {
    remedy: `Name the CA with sslrootcert=FILE; the certificate seen has SHA-256 ${seen}`,
  });
}

/** Settles however it ends: a socket that is destroyed closes without an error. */
function agreed(secure: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  secure.once("secureConnect", resolve);
  secure.once("error", reject);
  secure.once("close", () => reject(new Error("the connection was cut")));
  return promise;
}

async function readCertificates(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new DbctlError("file-missing", `Cannot read ${file}: ${(cause as Error).message}`, {
      remedy: "Check sslrootcert in the URL",
      cause,
    });
  }
}
