import "../../core/x509/reflect-metadata.ts";
import { Pkcs10CertificateRequest, type PublicKey } from "@peculiar/x509";
import { DbctlError } from "../../core/errors.ts";

const maxBytes = 4096;

/**
 * The key of a PKCS#10 request (DER) whose sender has proven to hold it. Names and extensions that
 * it asks for are not looked at: the controller decides them.
 */
export async function keyOfRequest(request: Uint8Array): Promise<PublicKey> {
  if (request.length > maxBytes) throw refused(`it has ${request.length} bytes`);
  const parsed = parse(request);
  const { algorithm } = parsed.publicKey;
  const { name, namedCurve } = algorithm as { name: string; namedCurve?: string };
  if (name !== "ECDSA" || namedCurve !== "P-256") throw refused(`its key is ${name}, not P-256`);
  const proven = await parsed.verify().catch(() => false);
  if (!proven) throw refused("its signature is not by its key");
  return parsed.publicKey;
}

function parse(request: Uint8Array): Pkcs10CertificateRequest {
  try {
    return new Pkcs10CertificateRequest(Uint8Array.from(request));
  } catch (cause) {
    throw refused("it is not PKCS#10", cause);
  }
}

function refused(what: string, cause?: unknown): DbctlError {
  return new DbctlError("protocol-violated", `Cannot sign the certificate request: ${what}`, {
    remedy: "Enrol with dbctl's own agent, of the controller's version",
    cause,
  });
}
