import { once } from "node:events";
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { json } from "node:stream/consumers";
import { Storage } from "@google-cloud/storage";
import { DbctlError } from "../../../core/errors.ts";
import { remoteFailure } from "../remote/remote-failure.ts";
import type { GcsPlace } from "./gcs-url.ts";

/** One request to the JSON API, https://cloud.google.com/storage/docs/json_api. */
export interface GcsRequest {
  /** For the sentence when it fails. */
  act: string;
  key: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the endpoint; or a whole URL, which the service gave for one upload. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Buffer | AsyncIterable<Buffer>;
  signal: AbortSignal;
  /** Answers besides 2xx that are no errors. */
  expect?: readonly number[];
}

/** Takes no piece of the body before it can go out. */
const bodyOptions = { objectMode: false, highWaterMark: 64 << 10 };

const agents = {
  "http:": new HttpAgent({ keepAlive: true, maxSockets: 64 }),
  "https:": new HttpsAgent({ keepAlive: true, maxSockets: 64 }),
};

/**
 * Sends one request, once. The SDK finds the credentials and renews their tokens; it does not send
 * the requests, because its own can neither be cancelled nor kept from being repeated.
 */
export class GcsRequests {
  readonly place: GcsPlace;
  readonly #storage: Storage;
  /** Where the credentials come from; undefined for a stand-in that wants none. */
  readonly #source: string | undefined;

  constructor(place: GcsPlace, env: NodeJS.ProcessEnv) {
    this.place = place;
    const file = env["GOOGLE_APPLICATION_CREDENTIALS"] ?? "";
    const { endpoint } = place;
    // It reads that variable by itself; told the file's name, it prints a warning.
    this.#storage = new Storage({
      ...(endpoint === undefined ? {} : { apiEndpoint: endpoint }),
      retryOptions: { autoRetry: false },
      // No request of ours needs a project; the library would look for one for seconds.
      projectId: "none",
    });
    const usual = endpoint === undefined ? "this machine's service account" : undefined;
    this.#source = file === "" ? usual : `${file} (GOOGLE_APPLICATION_CREDENTIALS)`;
  }

  /** The path of an object, and its whole name in the bucket. */
  at(key: string): { path: string; bucketPath: string; name: string } {
    const { bucket, prefix } = this.place;
    const name = `${prefix}${key}`;
    const bucketPath = `/storage/v1/b/${encodeURIComponent(bucket)}`;
    return { path: `${bucketPath}/o/${encodeURIComponent(name)}`, bucketPath, name };
  }

  /** The answer, its body unread: 2xx, or one that is expected. */
  async send(request: GcsRequest): Promise<IncomingMessage> {
    const { signal, expect = [] } = request;
    signal.throwIfAborted();
    try {
      const answer = await this.#exchange(request);
      const status = answer.statusCode ?? 0;
      if ((status >= 200 && status < 300) || expect.includes(status)) return answer;
      throw await this.#refusal(request, answer);
    } catch (error) {
      signal.throwIfAborted();
      throw this.failure(error, request);
    }
  }

  /** The answer's JSON. */
  async ask<T>(request: GcsRequest): Promise<T> {
    const answer = await this.send(request);
    try {
      return (await json(answer)) as T;
    } catch (error) {
      request.signal.throwIfAborted();
      throw this.failure(error, request);
    }
  }

  /** What is no answer of the service: nothing came, or not all. */
  failure(error: unknown, { act, key }: Pick<GcsRequest, "act" | "key">): DbctlError {
    if (error instanceof DbctlError) return error;
    return remoteFailure({ act, object: this.#object(key), cause: error });
  }

  #object(key: string): string {
    return key === "" ? this.place.url : `${key} in ${this.place.url}`;
  }

  async #exchange(request: GcsRequest): Promise<IncomingMessage> {
    const { method, path, query = {}, body, signal } = request;
    const url = new URL(/^https?:/.test(path) ? path : `${this.#endpoint()}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const length = body === undefined || Buffer.isBuffer(body) ? (body?.length ?? 0) : undefined;
    const headers = {
      ...(await this.#authorize(url)),
      ...(length === undefined || method === "GET" ? {} : { "content-length": length }),
      ...request.headers,
    };
    signal.throwIfAborted();
    const isPlain = url.protocol === "http:";
    const sent = (isPlain ? requestHttp : requestHttps)(url, {
      method,
      headers,
      signal,
      agent: isPlain ? agents["http:"] : agents["https:"],
    });
    const answered = once(sent, "response");
    answered.catch(() => {});
    // A refusal may come before all was sent: then the answer is what counts.
    const written = pipeline(Readable.from(body ?? [], bodyOptions), sent);
    const [answer] = (await Promise.race([answered, written.then(() => answered)])) as [
      IncomingMessage,
    ];
    written.catch(() => {});
    return answer;
  }

  #endpoint(): string {
    return this.#storage.apiEndpoint;
  }

  async #authorize(url: URL): Promise<Record<string, string>> {
    if (this.#source === undefined) return {};
    try {
      return Object.fromEntries(await this.#storage.authClient.getRequestHeaders(url.href));
    } catch (error) {
      throw notSignedIn(error, this.#source);
    }
  }

  async #refusal(request: GcsRequest, answer: IncomingMessage): Promise<DbctlError> {
    const { act, key } = request;
    const status = answer.statusCode ?? 0;
    const text = (await json(answer).catch(() => undefined)) as Refusal | undefined;
    const name = text?.error?.errors?.[0]?.reason;
    const seconds = Number(answer.headers["retry-after"]);
    return remoteFailure({
      act,
      object: this.#object(key),
      status,
      ...(name === undefined ? {} : { name }),
      ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
      ...(this.#source === undefined ? {} : { source: this.#source }),
      cause: { status, ...text?.error },
    });
  }
}

interface Refusal {
  error?: { message?: string; errors?: { reason?: string }[] };
}

/** The HTTP status of a refusal; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const cause = error instanceof DbctlError ? error.cause : undefined;
  // What the library throws when it signs in is an error, and no answer of the service.
  return cause instanceof Error ? undefined : (cause as { status?: number } | undefined)?.status;
}

/** The library's errors carry the answer of whoever gives tokens, or none. */
function notSignedIn(error: unknown, source: string): DbctlError {
  const { status, code } = error as { status?: number; code?: unknown };
  const isRefused = status !== undefined && status >= 400 && status < 500;
  const isUnreachable =
    (status !== undefined && !isRefused) ||
    (typeof code === "string" && /^(E[A-Z]+|UND_ERR)/.test(code) && code !== "ENOENT");
  if (isUnreachable)
    return remoteFailure({
      act: "sign in for",
      object: "Google Cloud Storage",
      ...(status === undefined ? {} : { status }),
      cause: error,
    });
  const what = isRefused ? `HTTP ${status}` : "no usable credentials were found";
  return new DbctlError("store-denied", `Cannot sign in for Google Cloud Storage: ${what}`, {
    remedy: `Check ${source}; GOOGLE_APPLICATION_CREDENTIALS has to name the file of a key`,
    cause: error,
  });
}
