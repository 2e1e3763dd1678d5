import { DbctlError } from "./errors.ts";
import { Secret } from "./secret.ts";

/** What a new host needs in order to join: it knows its controller by the CA before it speaks. */
export interface EnrolmentToken {
  /** The controller, `host:port`. */
  address: string;
  /** SHA-256 of the CA's certificate (DER), hexadecimal. */
  ca: string;
  secret: Secret;
}

const prefix = "dbctl1.";

/** `dbctl1.` and base64url of JSON. Secret as a whole. */
export function formatToken({ address, ca, secret }: EnrolmentToken): string {
  const json = JSON.stringify({ address, ca, secret: secret.reveal() });
  return prefix + Buffer.from(json).toString("base64url");
}

export function parseToken(text: string): EnrolmentToken {
  const { address, ca, secret } = decode(text.trim());
  if (typeof address !== "string" || typeof ca !== "string" || typeof secret !== "string")
    throw malformed();
  if (!/^[0-9a-f]{64}$/.test(ca) || !/^[^\s/]+:\d{1,5}$/.test(address)) throw malformed();
  return { address, ca, secret: new Secret(secret) };
}

function decode(text: string): Record<string, unknown> {
  if (!text.startsWith(prefix)) throw malformed();
  try {
    const json = Buffer.from(text.slice(prefix.length), "base64url").toString();
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // The parser's words would quote the secret.
  }
  throw malformed();
}

function malformed(): DbctlError {
  return new DbctlError("token-refused", "Cannot use the enrolment token: it is not a whole one", {
    remedy: "Copy it again from `dbctl agents token`, all of one line",
  });
}
