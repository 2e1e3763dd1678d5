import { createHmac } from "node:crypto";
import type { Secret } from "../../core/secret.ts";

interface Signed {
  eventId: string;
  /** The body's exact text. */
  body: string;
  /** Without one there are no signatures. */
  secret?: Secret | undefined;
  at: Date;
}

/**
 * Headers of a webhook. `X-Dbctl-Signature` holds the time it was sent, so that an old one cannot
 * be replayed; `X-Webhook-Signature` is over the body alone, for receivers that know only this.
 */
export function webhookHeaders({ eventId, body, secret, at }: Signed): Record<string, string> {
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    "User-Agent": "dbctl",
    "X-Dbctl-Event-Id": eventId,
  };
  if (secret === undefined) return headers;
  const time = Math.floor(at.getTime() / 1000);
  return {
    ...headers,
    "X-Webhook-Signature": `sha256=${hmac(secret, body)}`,
    "X-Dbctl-Signature": `t=${time},v1=${hmac(secret, `${time}.${body}`)}`,
  };
}

function hmac(secret: Secret, text: string): string {
  return createHmac("sha256", secret.reveal()).update(text).digest("hex");
}
