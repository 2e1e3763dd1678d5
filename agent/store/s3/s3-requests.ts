import { createHash } from "node:crypto";
import { S3Client } from "@aws-sdk/client-s3";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import type { Pace } from "../remote/remote-client.ts";
import { readVariable } from "../remote/read-variable.ts";
import { streamPaced } from "../remote/send-paced.ts";
import { credentialSource } from "./credential-source.ts";
import { s3Failure } from "./s3-failure.ts";
import type { S3Place } from "./s3-url.ts";

const connectMs = 10_000;
const idleMs = 60_000;
/** An instance role is asked for at an address that is silent where there is none. */
const roleMs = 1_000;
const mostSockets = 64;

/** What the SDK would print on the console, errors say as well. */
const silent = { debug() {}, info() {}, warn() {}, error() {}, trace() {} };

/** What is asked for, for the sentence when it fails. */
export interface Asked {
  act: string;
  key: string;
  signal: AbortSignal;
}

/** The SDK's client for one place: sends one request, once, and translates what it throws. */
export class S3Requests {
  readonly place: S3Place;
  readonly client: S3Client;
  #source: string | undefined;

  constructor(place: S3Place, env: NodeJS.ProcessEnv) {
    this.place = place;
    const { endpoint, region, pathStyle } = place;
    const usual = defaultProvider({ timeout: roleMs, maxRetries: 1, logger: silent });
    this.client = new S3Client({
      ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint }),
      ...(region === undefined ? {} : { region }),
      credentials: async () => {
        const filed = await credentialsFromFile(env);
        const found = filed ?? (await usual());
        this.#source = filed === undefined ? credentialSource(found) : fileVariable;
        return found;
      },
      forcePathStyle: pathStyle,
      maxAttempts: 1,
      // Not every server knows the newer checksums. Arrival is checked by those of `checkedBody`.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: idleMs,
        httpAgent: { maxSockets: mostSockets },
        httpsAgent: { maxSockets: mostSockets },
      },
      customUserAgent: "dbctl",
      logger: silent,
    });
    addBodyHash(this.client);
  }

  /** Bucket and whole key, as every request has them. */
  at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.place.bucket, Key: this.place.prefix + key };
  }

  async ask<T>(
    { act, key, signal }: Asked,
    send: (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    try {
      return await send(this.client, { abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      throw this.failure(error, { act, key });
    }
  }

  failure(error: unknown, { act, key }: { act: string; key: string }): Error {
    const object = key === "" ? this.place.url : `${key} in ${this.place.url}`;
    return s3Failure(error, { act, object, source: this.#source });
  }
}

const fileVariable = "AWS_SECRET_ACCESS_KEY_FILE";

/** A secret in a file of its own, such as systemd gives; the SDK does not know that way. */
async function credentialsFromFile(env: NodeJS.ProcessEnv) {
  const accessKeyId = env["AWS_ACCESS_KEY_ID"] ?? "";
  if (accessKeyId === "" || env["AWS_SECRET_ACCESS_KEY"]) return undefined;
  const secret = await readVariable("AWS_SECRET_ACCESS_KEY", env);
  return secret && { accessKeyId, secretAccessKey: secret.reveal() };
}

/** Header of SigV4 that holds the body's SHA-256; the store compares what arrived. */
const hashHeader = "x-amz-content-sha256";

/** A body that goes out in pieces, with two checksums that the store compares before it takes it. */
export function checkedBody(bytes: Buffer, pace: Pace | undefined) {
  const body = streamPaced(bytes, pace);
  hashes.set(body, createHash("sha256").update(bytes).digest("hex"));
  return {
    Body: body,
    ContentLength: bytes.length,
    ContentMD5: createHash("md5").update(bytes).digest("base64"),
  };
}

const hashes = new WeakMap<object, string>();

/** By itself the SDK does not hash a body that comes in pieces. */
function addBodyHash(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { request, input } = args as {
        request: { headers: Record<string, string> };
        input: { Body?: object };
      };
      const hash = input.Body === undefined ? undefined : hashes.get(input.Body);
      if (hash !== undefined) request.headers[hashHeader] = hash;
      return next(args);
    },
    { step: "build", name: "dbctlBodyHash" },
  );
}
