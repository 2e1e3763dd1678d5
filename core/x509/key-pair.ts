import "./reflect-metadata.ts";
import { webcrypto } from "node:crypto";
import { Pkcs10CertificateRequestGenerator, PemConverter } from "@peculiar/x509";

/** Every key of a fleet: ECDSA on P-256, signatures with SHA-256. */
export const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export type KeyPair = webcrypto.CryptoKeyPair;

export async function makeKeyPair(): Promise<KeyPair> {
  return await webcrypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
}

/** The private key as PKCS#8, PEM. Secret. */
export async function exportPrivateKey({ privateKey }: KeyPair): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey("pkcs8", privateKey);
  return `${PemConverter.encode(bytes, "PRIVATE KEY")}\n`;
}

/** PKCS#10, DER: proves that the sender has the key. Whom it is for is the signer's business. */
export async function makeCertificateRequest(keys: KeyPair): Promise<Uint8Array> {
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: keyAlgorithm,
  });
  return new Uint8Array(request.rawData);
}
