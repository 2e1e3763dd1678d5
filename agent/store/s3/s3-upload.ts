import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { DbctlError } from "../../../core/errors.ts";
import { objectExists, objectMissing } from "../object-errors.ts";
import type { CreateOptions, RemoteUpload } from "../remote/remote-client.ts";
import { nameOf, statusOf } from "./s3-failure.ts";
import { checkedBody, type S3Requests } from "./s3-requests.ts";
import type { S3Versions } from "./s3-versions.ts";

/** Begins an object in parts. */
export async function beginUpload(
  { requests, versions }: Bucket,
  key: string,
  { bulk, signal }: CreateOptions,
): Promise<RemoteUpload> {
  const { storageClass } = requests.place;
  const input = { ...requests.at(key), ...(bulk ? storageClassOf(storageClass) : {}) };
  const { UploadId } = await requests.ask({ act: "create", key, signal }, (client, options) =>
    client.send(new CreateMultipartUploadCommand(input), options),
  );
  const upload = { requests, versions, key, UploadId, tags: new Map<number, string | undefined>() };
  return {
    put: (number, bytes, options) => putPart(upload, { number, bytes, ...options }),
    complete: (options) => complete(upload, options),
    abort: (options) => abort(upload, options),
  };
}

export function storageClassOf(name: string | undefined) {
  // The SDK knows Amazon's own names only; servers may have others.
  return name === undefined ? {} : { StorageClass: name as "STANDARD" };
}

interface Bucket {
  requests: S3Requests;
  versions: S3Versions;
}

interface Upload extends Bucket {
  key: string;
  UploadId: string | undefined;
  /** What the store called each part that it has taken. */
  tags: Map<number, string | undefined>;
}

interface Part {
  number: number;
  bytes: Buffer;
  signal: AbortSignal;
  pace?: CreateOptions["pace"];
}

async function putPart(
  { requests, key, UploadId, tags }: Upload,
  { number: PartNumber, bytes, signal, pace }: Part,
): Promise<void> {
  const input = { ...requests.at(key), UploadId, PartNumber, ...checkedBody(bytes, pace) };
  const { ETag } = await requests.ask({ act: "create", key, signal }, (client, options) =>
    client.send(new UploadPartCommand(input), options),
  );
  tags.set(PartNumber, ETag);
}

/** Only if there is no such object, where the store looks at the condition; Ceph 16 does not. */
async function complete(
  { requests, versions, key, UploadId, tags }: Upload,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const Parts = [...tags]
    .toSorted(([a], [b]) => a - b)
    .map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
  const condition = requests.place.conditionalPut ? { IfNoneMatch: "*" } : {};
  const input = { ...requests.at(key), UploadId, ...condition, MultipartUpload: { Parts } };
  try {
    const { VersionId } = await requests.ask({ act: "create", key, signal }, (client, options) =>
      client.send(new CompleteMultipartUploadCommand(input), options),
    );
    await versions.assertFirst(key, VersionId, { signal });
  } catch (error) {
    if (statusOf(error) === 412) throw objectExists(requests.place.url, key);
    // It is no bucket that is missing: somebody has completed or forgotten the upload.
    if (nameOf(error) === "NoSuchUpload") throw objectMissing(requests.place.url, key);
    throw error;
  }
}

async function abort(
  { requests, key, UploadId }: Upload,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const input = { ...requests.at(key), UploadId };
  try {
    await requests.ask({ act: "forget", key, signal }, (client, options) =>
      client.send(new AbortMultipartUploadCommand(input), options),
    );
  } catch (error) {
    if (error instanceof DbctlError && nameOf(error) === "NoSuchUpload") return;
    throw error;
  }
}
