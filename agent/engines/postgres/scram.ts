/** SCRAM-SHA-256 and -PLUS, the client's side. RFC 5802, RFC 7677; channel binding: RFC 5929. */
import {
  createHash,
  createHmac,
  pbkdf2,
  randomBytes,
  timingSafeEqual,
  X509Certificate,
} from "node:crypto";
import type { TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { violation } from "./messages.ts";

const derive = promisify(pbkdf2);
/** PostgreSQL's default is 4096; a server must not keep us busy for ever. */
const iterationLimit = 1_000_000;

export interface Scram {
  mechanism: string;
  /** client-first-message */
  first: string;
  /** server-first-message → client-final-message */
  respond(serverFirst: string): Promise<string>;
  /** Throws unless the server-final-message proves that the server knows the password too. */
  verify(serverFinal: string): void;
}

export function startScram(parts: {
  password: string;
  mechanisms: readonly string[];
  tls: TLSSocket | undefined;
}): Scram {
  const binding = parts.tls === undefined ? undefined : endPointHash(parts.tls);
  const isBound = binding !== undefined && parts.mechanisms.includes("SCRAM-SHA-256-PLUS");
  if (!isBound && !parts.mechanisms.includes("SCRAM-SHA-256"))
    throw violation("it offers no known way to authenticate");
  // "y": we could have bound the channel, but the server did not offer it.
  const header = isBound ? "p=tls-server-end-point,," : binding === undefined ? "n,," : "y,,";
  const nonce = randomBytes(18).toString("base64");
  const bare = `n=,r=${nonce}`;
  let expected: Buffer | undefined;
  return {
    mechanism: isBound ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256",
    first: header + bare,
    async respond(serverFirst) {
      const fields = readServerFirst(serverFirst, nonce);
      const channel = Buffer.concat([Buffer.from(header), ...(isBound ? [binding] : [])]);
      const unproved = `c=${channel.toString("base64")},r=${fields.nonce}`;
      const proved = `${bare},${serverFirst},${unproved}`;
      const salted = await derive(
        prepare(parts.password),
        fields.salt,
        fields.rounds,
        32,
        "sha256",
      );
      const clientKey = hmac(salted, "Client Key");
      const stored = createHash("sha256").update(clientKey).digest();
      const proof = hmac(stored, proved).map((byte, i) => byte ^ (clientKey[i] ?? 0));
      expected = hmac(hmac(salted, "Server Key"), proved);
      return `${unproved},p=${Buffer.from(proof).toString("base64")}`;
    },
    verify(serverFinal) {
      const seen = Buffer.from(/^v=([^,]*)/.exec(serverFinal)?.[1] ?? "", "base64");
      if (expected === undefined || seen.length !== 32 || !timingSafeEqual(seen, expected))
        throw violation("it could not prove that it knows the password");
    },
  };
}

function readServerFirst(message: string, ours: string) {
  const fields = /^r=(?<nonce>[!-+\--~]+),s=(?<salt>[A-Za-z0-9+/=]+),i=(?<rounds>[0-9]{1,7})$/.exec(
    message,
  )?.groups;
  const nonce = fields?.["nonce"] ?? "";
  const rounds = Number(fields?.["rounds"]);
  if (!nonce.startsWith(ours) || nonce === ours || !(rounds >= 1 && rounds <= iterationLimit))
    throw violation("its part of the SCRAM exchange is malformed");
  return { nonce, rounds, salt: Buffer.from(fields?.["salt"] ?? "", "base64") };
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** SASLprep (RFC 4013); like the server, what it prohibits is used as it is. */
function prepare(password: string): string {
  const mapped = password
    .replaceAll(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, " ")
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .normalize("NFKC");
  const isProhibited = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\u2028-\u202e\u206a-\u206f\ufff9-\ufffd]/u;
  return isProhibited.test(mapped) || mapped === "" ? password : mapped;
}

/** `tls-server-end-point`; undefined where the certificate's signature names no hash. */
function endPointHash(tls: TLSSocket): Buffer | undefined {
  const { raw } = tls.getPeerCertificate();
  const algorithm = new X509Certificate(raw).signatureAlgorithm ?? "";
  const named = /(md5|sha1|sha224|sha256|sha384|sha512)/i.exec(algorithm.replaceAll("-", ""))?.[1];
  if (named === undefined) return undefined;
  const hash = /^(md5|sha1)$/i.test(named) ? "sha256" : named.toLowerCase();
  return createHash(hash).update(raw).digest();
}
