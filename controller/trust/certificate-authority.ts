import "../../core/x509/reflect-metadata.ts";
import {
  createPrivateKey,
  randomBytes,
  webcrypto,
  X509Certificate as Certificate,
} from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { DbctlError } from "../../core/errors.ts";
import { controllerName } from "../../core/grpc/client.ts";
import { readSecretFile, writeSecretFile } from "../../core/secret-file.ts";
import { exportPrivateKey, keyAlgorithm, makeKeyPair } from "../../core/x509/key-pair.ts";

/** Signs all certificates of a fleet. Its key never leaves the controller's state folder. */
export interface CertificateAuthority {
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of the certificate (DER), hexadecimal: what enrolment tokens pin. */
  readonly fingerprint: string;
  sign(order: CertificateOrder): Promise<IssuedCertificate>;
}

export interface CertificateOrder {
  kind: "agent" | "user" | "controller";
  /** Common name: an agent's id, a user's name. */
  subject: string;
  publicKey: PublicKey | webcrypto.CryptoKey;
  /** Names and addresses under which a controller is reached; none for others. */
  names?: readonly string[];
  now: Date;
  endsAt: Date;
}

export interface IssuedCertificate {
  /** PEM. */
  certificate: string;
  /** Hexadecimal, upper case, as TLS shows it. */
  serial: string;
  endsAt: Date;
}

/**
 * Certificates hold from a day before they were made: a host whose clock is behind can still
 * connect, and be told so.
 */
export const backdatingMs = 24 * 3600_000;
const authorityLifeMs = 20 * 365 * 24 * 3600_000;

/** Reads the CA from the folder, or makes it when there is none. */
export async function openAuthority(folder: string, now: Date): Promise<CertificateAuthority> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keyFile = join(folder, "ca.key");
  const certificateFile = join(folder, "ca.crt");
  if ((await readSecretFile(keyFile)) === undefined) await make({ keyFile, certificateFile, now });
  const key = await readSecretFile(keyFile);
  const certificate = await readFile(certificateFile, "utf8").catch((cause: unknown) => {
    throw damaged(folder, cause);
  });
  try {
    return createAuthority(certificate, await importKey(key ?? ""));
  } catch (cause) {
    throw damaged(folder, cause);
  }
}

async function make(to: { keyFile: string; certificateFile: string; now: Date }): Promise<void> {
  const keys = await makeKeyPair();
  const name = [{ CN: ["dbctl fleet"] }, { O: [randomBytes(8).toString("hex")] }];
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name,
    notBefore: new Date(to.now.getTime() - backdatingMs),
    notAfter: new Date(to.now.getTime() + authorityLifeMs),
    signingAlgorithm: keyAlgorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  // The key comes last: a crash before it leaves nothing that anybody trusts.
  await writeFile(to.certificateFile, `${authority.toString("pem")}\n`, { mode: 0o644 });
  await writeSecretFile(to.keyFile, await exportPrivateKey(keys));
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
  return await webcrypto.subtle.importKey("pkcs8", der, keyAlgorithm, false, ["sign"]);
}

function createAuthority(pem: string, signingKey: webcrypto.CryptoKey): CertificateAuthority {
  const own = new X509Certificate(pem);
  const fingerprint = new Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
  return {
    certificate: pem,
    fingerprint,
    async sign({ kind, subject, publicKey, names = [], now, endsAt }) {
      const serial = newSerial();
      const signed = await X509CertificateGenerator.create({
        serialNumber: serial,
        issuer: own.subjectName,
        subject: [{ CN: [subject] }, { OU: [kind] }],
        notBefore: new Date(now.getTime() - backdatingMs),
        notAfter: endsAt,
        signingAlgorithm: keyAlgorithm,
        publicKey,
        signingKey,
        extensions: kind === "controller" ? serverExtensions(names) : clientExtensions(),
      });
      return { certificate: `${signed.toString("pem")}\n`, serial, endsAt };
    },
  };
}

/** Only controllers get names: whoever has a certificate without one cannot pass for a controller. */
function serverExtensions(names: readonly string[]): Extension[] {
  const alternatives = [controllerName, ...names].map((value) => ({ type: typeOf(value), value }));
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(alternatives),
  ];
}

const typeOf = (name: string) => (/^[\d.]+$|:/.test(name) ? "ip" : "dns") as "ip" | "dns";

function clientExtensions(): Extension[] {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
  ];
}

/** 128 bits, positive and without a leading zero, so that it is written in one way only. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex").toUpperCase();
}

function damaged(folder: string, cause: unknown): DbctlError {
  return new DbctlError("system-failed", `Cannot use the CA in ${folder}: ${String(cause)}`, {
    remedy: "Restore ca.key and ca.crt together from a copy of the state folder",
    cause,
  });
}
