import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { readSecretFile } from "../../core/secret-file.ts";
import { Secret } from "../../core/secret.ts";
import { PrivateAddressError, isPublicAddress, lookupPublic } from "./public-address.ts";
import { webhookHeaders } from "./webhook-headers.ts";

export interface Delivery {
  eventId: string;
  url: string;
  body: string;
  /** File of the signing secret; empty for none. */
  secretFile: string;
}

/** `refused` is for good; `failed` may go well later. */
export type Outcome =
  | { kind: "delivered" }
  | { kind: "failed"; reason: string }
  | { kind: "refused"; reason: string };

interface Options {
  now: Date;
  /** Whether addresses of private networks and of this host may be called. */
  allowPrivate: boolean;
  timeoutMs?: number;
  signal: AbortSignal;
}

/**
 * Posts a webhook; 2xx is success, redirects are not followed. Never rejects for what the receiver
 * does; rejects with the signal's reason.
 */
export async function sendWebhook(delivery: Delivery, options: Options): Promise<Outcome> {
  const { now, signal, timeoutMs = 30_000 } = options;
  const { eventId, body, secretFile } = delivery;
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const secret = secretFile === "" ? undefined : await readSecret(secretFile);
    const headers = webhookHeaders({ eventId, body, secret, at: now });
    const either = AbortSignal.any([signal, limit]);
    return judge(await post(delivery, { headers, signal: either, options }));
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) return { kind: "failed", reason: `no answer within ${timeoutMs / 1000} s` };
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: error instanceof PrivateAddressError ? "refused" : "failed", reason };
  }
}

/** An editor ends a file with a new line; it does not belong to the secret. */
async function readSecret(file: string): Promise<Secret> {
  const text = (await readSecretFile(file))?.replace(/\r?\n$/, "");
  if (text === undefined) throw new Error(`the secret's file ${file} does not exist`);
  if (text === "") throw new Error(`the secret's file ${file} is empty`);
  return new Secret(text);
}

interface Call {
  headers: Record<string, string>;
  signal: AbortSignal;
  options: Options;
}

/** Resolves with the head of the answer; its body is not read. */
async function post({ url, body }: Delivery, { headers, signal, options }: Call) {
  const { hostname, protocol } = new URL(url);
  const literal = hostname.replace(/^\[|\]$/g, "");
  if (!options.allowPrivate && isIP(literal) !== 0 && !isPublicAddress(literal))
    throw new PrivateAddressError(`${literal} is a private address`);
  const request = protocol === "https:" ? requestHttps : requestHttp;
  const answer = Promise.withResolvers<IncomingMessage>();
  const call = request(url, {
    method: "POST",
    headers,
    signal,
    // No connection is kept: the answer's body stays unread.
    agent: false,
    ...(options.allowPrivate ? {} : { lookup: lookupPublic }),
  });
  call.on("response", answer.resolve);
  call.on("error", answer.reject);
  call.end(body);
  try {
    return await answer.promise;
  } finally {
    call.destroy();
  }
}

function judge({ statusCode = 0, statusMessage = "", headers }: IncomingMessage): Outcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: "delivered" };
  const reason = `answer ${statusCode} ${statusMessage}`.trim();
  if (statusCode >= 300 && statusCode < 400)
    return { kind: "refused", reason: `${reason}: redirects to ${headers.location ?? "nowhere"}` };
  const later = statusCode === 408 || statusCode === 429 || statusCode >= 500;
  return { kind: later ? "failed" : "refused", reason };
}
