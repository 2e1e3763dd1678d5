import { once } from "node:events";
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
    minVersion: "TLSv1.2",
    rejectUnauthorized: target.tls !== "require",
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(target.ca === null ? {} : { ca: await readFile(target.ca) }),
    ...(target.tls === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  });
  try {
    await once(secure, "secureConnect");
    return secure;
  } catch (cause) {
    const seen = secure.getPeerCertificate().fingerprint256;
    const what = (cause as Error).message;
    throw new DbctlError("engine-denied", `Cannot trust ${host}: ${what}`, {
      remedy:
        seen === undefined
          ? "Check that the server offers TLS 1.2 or newer"
          : `Name the CA with sslrootcert=FILE; the certificate seen has SHA-256 ${seen}`,
      cause,
    });
  }
}
