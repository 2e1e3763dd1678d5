import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { DbctlError } from "../../../core/errors.ts";
import { objectExists } from "../object-errors.ts";
import type { CreateOptions, Pace, RemoteUpload } from "../remote/remote-client.ts";
import { sendPaced } from "../remote/send-paced.ts";
import { type GcsRequests, statusOf } from "./gcs-requests.ts";

interface Waiting {
  signal: AbortSignal;
}

/** Only if there is no live version of the object. */
const onlyNew = { ifGenerationMatch: "0" };

/** Creates the object in one request; the service compares its MD5 with what arrived. */
export async function create(
  requests: GcsRequests,
  key: string,
  { bytes, bulk, pace, signal }: CreateOptions & { bytes: Buffer },
): Promise<void> {
  const md5Hash = createHash("md5").update(bytes).digest("base64");
  const facts = { name: requests.at(key).name, md5Hash, ...storageClassOf(requests, bulk) };
  const boundary = randomBytes(18).toString("hex");
  const head = Buffer.from(
    `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n` +
      `${JSON.stringify(facts)}\r\n` +
      `--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const body = async function* () {
    yield head;
    yield* sendPaced(bytes, pace);
    yield tail;
  };
  const answer = await onlyOnce(requests, key, () =>
    requests.send({
      act: "create",
      key,
      method: "POST",
      path: uploadPath(requests),
      query: { uploadType: "multipart", ...onlyNew },
      headers: {
        "content-type": `multipart/related; boundary=${boundary}`,
        "content-length": String(head.length + bytes.length + tail.length),
      },
      body: body(),
      signal,
    }),
  );
  answer.resume();
}

/**
 * Begins a resumable upload. Its parts come one after the other, in order: parts that could come at
 * once would have to be joined from objects of their own, which a host may not remove afterwards.
 */
export async function beginUpload(
  requests: GcsRequests,
  key: string,
  { bulk, signal }: CreateOptions,
): Promise<RemoteUpload> {
  const facts = { name: requests.at(key).name, ...storageClassOf(requests, bulk) };
  const answer = await onlyOnce(requests, key, () =>
    requests.send({
      act: "create",
      key,
      method: "POST",
      path: uploadPath(requests),
      query: { uploadType: "resumable", ...onlyNew },
      headers: { "content-type": "application/json; charset=UTF-8" },
      body: Buffer.from(JSON.stringify(facts)),
      signal,
    }),
  );
  answer.resume();
  const session = answer.headers.location ?? "";
  return new ResumableUpload(requests, { key, session });
}

function uploadPath({ place }: GcsRequests): string {
  return `/upload/storage/v1/b/${encodeURIComponent(place.bucket)}/o`;
}

function storageClassOf({ place }: GcsRequests, bulk: boolean) {
  return bulk && place.storageClass !== undefined ? { storageClass: place.storageClass } : {};
}

async function onlyOnce<T>({ place }: GcsRequests, key: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw statusOf(error) === 412 ? objectExists(place.url, key) : error;
  }
}

/** All parts but the last are of whole units: the service keeps nothing smaller. */
const unitBytes = 256 << 10;

/** https://cloud.google.com/storage/docs/performing-resumable-uploads */
class ResumableUpload implements RemoteUpload {
  readonly inOrder = true;
  readonly #requests: GcsRequests;
  readonly #key: string;
  readonly #session: string;
  readonly #md5 = createHash("md5");
  #hashedParts = 0;
  /** Bytes of the parts that are done. */
  #begin = 0;
  /** Bytes that the service keeps, as far as we know. */
  #kept = 0;
  /** Whether a request has failed since we knew. */
  #isInDoubt = false;
  /** The end of the last part, as far as it is no whole unit. */
  #tail: Buffer = Buffer.alloc(0);
  #sum: string | undefined;

  constructor(requests: GcsRequests, { key, session }: { key: string; session: string }) {
    this.#requests = requests;
    this.#key = key;
    this.#session = session;
  }

  async put(
    number: number,
    bytes: Buffer,
    { signal, pace }: { signal: AbortSignal; pace?: Pace },
  ): Promise<void> {
    if (number > this.#hashedParts) {
      this.#md5.update(bytes);
      this.#hashedParts = number;
    }
    const units = bytes.subarray(0, bytes.length - (bytes.length % unitBytes));
    if (this.#isInDoubt) await this.#ask({ signal });
    for (let at = this.#kept - this.#begin; at < units.length; at = this.#kept - this.#begin) {
      if (at < 0) throw this.#lost();
      await this.#send(units.subarray(at), pace, { signal });
    }
    this.#begin += units.length;
    this.#tail = bytes.subarray(units.length);
  }

  async complete({ signal }: Waiting): Promise<void> {
    const answer = await onlyOnce(this.#requests, this.#key, () => this.#finish({ signal }));
    if (answer.statusCode === 308) throw this.#lost();
    this.#sum ??= this.#md5.digest("base64");
    const made = (await json(answer)) as { md5Hash?: string; generation?: string };
    if (made.md5Hash !== this.#sum) await this.#takeBack(made.generation, { signal });
  }

  /** Sends what is left of the last part, and says that this is all. */
  async #finish({ signal }: Waiting): Promise<IncomingMessage> {
    if (this.#isInDoubt) {
      const answer = await this.#put("bytes */*", Buffer.alloc(0), { signal });
      if (answer.statusCode !== 308) return answer;
      this.#learn(answer);
    }
    const size = this.#begin + this.#tail.length;
    if (this.#kept < this.#begin) throw this.#lost();
    const range = this.#kept === size ? "*" : `${this.#kept}-${size - 1}`;
    return await this.#put(
      `bytes ${range}/${size}`,
      this.#tail.subarray(this.#kept - this.#begin),
      {
        signal,
      },
    );
  }

  async abort({ signal }: Waiting): Promise<void> {
    // 499 is what the service says of an upload that is cancelled.
    const expect = [404, 410, 499];
    const request = { act: "forget", key: this.#key, method: "DELETE", expect } as const;
    (await this.#requests.send({ ...request, path: this.#session, signal })).resume();
  }

  async #send(bytes: Buffer, pace: Pace | undefined, { signal }: Waiting): Promise<void> {
    const range = `bytes ${this.#kept}-${this.#kept + bytes.length - 1}/*`;
    const answer = await this.#put(range, bytes, { signal, ...(pace ? { pace } : {}) });
    this.#learn(answer);
  }

  /** How far it came. */
  async #ask({ signal }: Waiting): Promise<void> {
    this.#learn(await this.#put("bytes */*", Buffer.alloc(0), { signal }));
  }

  #learn(answer: IncomingMessage): void {
    answer.resume();
    if (answer.statusCode !== 308) throw this.#lost();
    const [, last] = /^bytes=0-(\d+)$/.exec(answer.headers.range ?? "") ?? [];
    this.#kept = last === undefined ? 0 : Number(last) + 1;
    this.#isInDoubt = false;
  }

  async #put(
    range: string,
    bytes: Buffer,
    { signal, pace }: Waiting & { pace?: Pace },
  ): Promise<IncomingMessage> {
    const wasInDoubt = this.#isInDoubt;
    this.#isInDoubt = true;
    const answer = await this.#requests.send({
      act: "create",
      key: this.#key,
      method: "PUT",
      path: this.#session,
      headers: { "content-range": range, "content-length": String(bytes.length) },
      body: sendPaced(bytes, pace),
      signal,
      expect: [308],
    });
    this.#isInDoubt = wasInDoubt;
    return answer;
  }

  /** The request before it was wrong, or the service has forgotten what it kept. */
  #lost(): DbctlError {
    const { url } = this.#requests.place;
    return new DbctlError(
      "store-io",
      `Cannot create ${this.#key} in ${url}: the service has lost a part of it`,
      { remedy: "Try again" },
    );
  }

  /** Nobody may take it for what was sent. */
  async #takeBack(generation: string | undefined, { signal }: Waiting): Promise<never> {
    const { url } = this.#requests.place;
    const query = generation === undefined ? {} : { generation };
    const { path } = this.#requests.at(this.#key);
    const request = { act: "remove", key: this.#key, method: "DELETE", path, query } as const;
    (await this.#requests.send({ ...request, signal, expect: [404] })).resume();
    const message = `Cannot create ${this.#key} in ${url}: other bytes arrived than were sent`;
    throw new DbctlError("store-io", message, { remedy: "Check the network, then try again" });
  }
}
