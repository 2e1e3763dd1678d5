import type { ObjectStore } from "../store/object-store.ts";
import { damaged } from "./damage.ts";
import type { BackupHeader } from "./manifest.ts";
import { decodeHeader, decodeHeaderLength, hashOf, manifestStartBytes } from "./manifest-bytes.ts";
import { signatureBytes } from "./manifest-bytes.ts";
import { parseManifestKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";

/**
 * The header that begins a manifest, checked; where the sealed body begins; and the hash by which
 * the next manifest names this one.
 */
export async function readHeader(
  store: ObjectStore,
  object: string,
  { signal }: { signal: AbortSignal },
): Promise<{ header: BackupHeader; bodyAt: number; hash: string }> {
  const fetch = (offset: number, length: number) =>
    readObject(store, object, { max: length, range: { offset, length }, signal });
  const length = decodeHeaderLength(await fetch(0, manifestStartBytes), object);
  const bytes = await fetch(manifestStartBytes, length + signatureBytes);
  const [json, signature] = [bytes.subarray(0, length), bytes.subarray(length)];
  const header = decodeHeader(json, signature, object);
  const place = parseManifestKey(object);
  if (header.id !== place?.id || header.instance !== place.instance)
    throw damaged(object, `it is the manifest of ${header.instance}, backup ${header.id}`);
  const bodyAt = manifestStartBytes + length + signatureBytes;
  return { header, bodyAt, hash: hashOf(json, signature) };
}
