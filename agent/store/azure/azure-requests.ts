import { createHash } from "node:crypto";
import { BlobServiceClient, type ContainerClient, newPipeline } from "@azure/storage-blob";
import { DbctlError } from "../../../core/errors.ts";
import type { Pace } from "../remote/remote-client.ts";
import { remoteFailure } from "../remote/remote-failure.ts";
import { streamPaced } from "../remote/send-paced.ts";
import type { AzureCredential } from "./azure-credential.ts";
import type { AzurePlace } from "./azure-url.ts";

/** What is asked for, for the sentence when it fails. */
export interface Asked {
  act: string;
  key: string;
  signal: AbortSignal;
}

/** The SDK's client for one container: sends one request, once, and translates what it throws. */
export class AzureRequests {
  readonly place: AzurePlace;
  readonly #container: ContainerClient;
  readonly #source: string;

  constructor(place: AzurePlace, { credential, sas, source }: AzureCredential) {
    this.place = place;
    this.#source = source;
    const pipeline = newPipeline(credential, { retryOptions: { maxTries: 1 } });
    const query = sas === undefined ? "" : `?${sas.reveal().replace(/^\?/, "")}`;
    const service = new BlobServiceClient(`${place.service}${query}`, pipeline);
    this.#container = service.getContainerClient(place.container);
  }

  /** The container, and the name of the object in it. */
  at(key: string): { container: ContainerClient; name: string } {
    return { container: this.#container, name: `${this.place.prefix}${key}` };
  }

  async ask<T>(
    { act, key, signal }: Asked,
    run: (container: ContainerClient, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    try {
      return await run(this.#container, { abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      throw this.failure(error, { act, key });
    }
  }

  /** Translates what the SDK throws, by status and the service's code for it. */
  failure(error: unknown, { act, key }: Pick<Asked, "act" | "key">): DbctlError {
    if (error instanceof DbctlError) return error;
    const { url } = this.place;
    const object = key === "" ? url : `${key} in ${url}`;
    return remoteFailure({ act, object, ...factsOf(error), source: this.#source, cause: error });
  }
}

/** The service's own code for what was wrong, such as `BlobNotFound`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof DbctlError ? factsOf(error.cause).name : factsOf(error).name;
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof DbctlError ? factsOf(error.cause).status : factsOf(error).status;
}

interface Facts {
  status?: number;
  name?: string;
  retryAfterMs?: number;
}

function factsOf(error: unknown): Facts {
  const { statusCode, code, response } = (error ?? {}) as {
    statusCode?: number;
    code?: unknown;
    response?: { headers?: { get(name: string): string | undefined } };
  };
  const name = response?.headers?.get("x-ms-error-code") ?? code;
  const seconds = Number(response?.headers?.get("retry-after"));
  return {
    ...(statusCode === undefined ? {} : { status: statusCode }),
    ...(typeof name === "string" ? { name } : {}),
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

/** A request's body, and the checksum that the service compares with what arrived. */
export function checkedBody(bytes: Buffer, pace: Pace | undefined) {
  const transactionalContentMD5 = createHash("md5").update(bytes).digest();
  const stream = () => streamPaced(bytes, pace);
  return { body: pace === undefined ? bytes : stream, transactionalContentMD5 };
}
