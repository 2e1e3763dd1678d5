import { createHash } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { damaged, newer } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { timedIdPattern, instancePattern, randomIdPattern } from "./identifier.ts";
import { anything, count, hex32, isoTime, label, list, nullable } from "./json-shape.ts";
import { oneOf, record, type Shape, text } from "./json-shape.ts";
import type { BackupHeader } from "./manifest.ts";
import { manifestKey } from "./object-key.ts";
import { maxPackBytes } from "./pack.ts";
import { seal, unseal } from "./sealed-bytes.ts";
import { isSignedBy, type SigningKey, signBytes } from "./signer.ts";

const magic = Buffer.from("DBCTLMF\x01");
/** Before the header: magic, the header's length. */
export const manifestStartBytes = magic.length + 4;
export const signatureBytes = 64;
export const maxHeaderBytes = 64 << 20;
/** Of the body, both sealed and plain. */
export const maxBodyBytes = 256 << 20;

/** The sealed part of a manifest. */
export interface ManifestBody {
  /** `streams[n]`: the numbers of the streams that are in map n. */
  streams: number[][];
  /** The caller's own. */
  content: unknown;
}

/** The object's bytes without the sealed body; `hash` is what the next manifest refers to. */
export function encodeHeader(
  header: BackupHeader,
  key: SigningKey,
): { bytes: Buffer; hash: string } {
  const json = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(manifestStartBytes);
  start.set(magic);
  start.writeUInt32LE(json.length, magic.length);
  const signature = signBytes(key, signed(json));
  // What could not be read again must not be written.
  const object = manifestKey(header);
  decodeHeaderLength(start, object);
  decodeHeader(json, signature, object);
  return { bytes: Buffer.concat([start, json, signature]), hash: hashOf(json, signature) };
}

/** The length of the header that begins an object, from its first `manifestStartBytes` bytes. */
export function decodeHeaderLength(start: Buffer, object: string): number {
  if (start.length < manifestStartBytes) throw damaged(object, "it is cut off");
  if (start.compare(magic, 0, magic.length - 1, 0, magic.length - 1) !== 0)
    throw damaged(object, "it does not begin as a manifest does");
  const version = start.readUInt8(magic.length - 1);
  if (version !== 1) throw newer(object, version);
  const length = start.readUInt32LE(magic.length);
  if (length > maxHeaderBytes) throw damaged(object, "its header is too long");
  return length;
}

/** The header, from the bytes of its JSON and its signature, both checked. */
export function decodeHeader(json: Buffer, signature: Buffer, object: string): BackupHeader {
  let header: BackupHeader;
  try {
    header = headerShape(JSON.parse(json.toString()), "header");
  } catch (cause) {
    throw damaged(object, `its header is malformed: ${(cause as Error).message}`, { cause });
  }
  if (!isSignedBy(header.signer, signed(json), signature))
    throw damaged(object, "its signature does not fit its header");
  return header;
}

/** SHA-256 of the header's JSON and its signature: how the next manifest names this one. */
export function hashOf(json: Buffer, signature: Buffer): string {
  return createHash("sha256").update(json).update(signature).digest("hex");
}

function signed(json: Buffer): Buffer {
  return Buffer.concat([Buffer.from("dbctl/1/manifest\n"), json]);
}

export function encodeBody(epoch: EpochKeys, id: string, body: ManifestBody): Buffer {
  const json = Buffer.from(JSON.stringify(body));
  const params = { [constants.ZSTD_c_compressionLevel]: 3 };
  const packed = zstdCompressSync(json, { params, chunkSize: 1 << 20 });
  const bytes = seal(epoch, { purpose: "body", context: [id] }, packed);
  decodeBody(epoch, id, { bytes, object: manifestKey({ instance: epoch.instance, id }) });
  return bytes;
}

export function decodeBody(
  epoch: EpochKeys,
  id: string,
  { bytes, object }: { bytes: Buffer; object: string },
): ManifestBody {
  const packed = unseal(epoch, { purpose: "body", context: [id] }, { bytes, object });
  try {
    const json = zstdDecompressSync(packed, { chunkSize: 1 << 20, maxOutputLength: maxBodyBytes });
    return bodyShape(JSON.parse(json.toString()), "body");
  } catch (cause) {
    throw damaged(object, `its body is malformed: ${(cause as Error).message}`, { cause });
  }
}

const manyPacks = { max: 4_000_000 };
const manyStreams = { max: 16_000_000 };

const bodyShape: Shape<ManifestBody> = record<ManifestBody>({
  streams: list(list(count, manyStreams), manyStreams),
  content: anything,
});

const pack = text(randomIdPattern);
const id = text(timedIdPattern);
const size = count;
const sha256 = hex32;

const headerShape: Shape<BackupHeader> = record<BackupHeader>({
  format: oneOf(1),
  repository: text(randomIdPattern),
  instance: text(instancePattern),
  epoch: id,
  id,
  kind: oneOf("logical"),
  state: oneOf("complete", "partial"),
  source: record({ engine: label, version: label, host: label, database: label }),
  started: isoTime,
  finished: isoTime,
  sequence: count,
  previous: nullable(record({ id, hash: sha256 })),
  signer: hex32,
  sizes: record({ read: count, new: count, stored: count }),
  packs: list(record({ pack, size: smallerThan(maxPackBytes), live: count }), manyPacks),
  maps: list(record({ size, sha256, streams: count }), manyStreams),
  body: record({ size: smallerThan(maxBodyBytes), sha256 }),
});

function smallerThan(max: number): Shape<number> {
  return (value, where) => {
    const number = count(value, where);
    if (number > max) throw new SyntaxError(`${where} must be at most ${max}`);
    return number;
  };
}
