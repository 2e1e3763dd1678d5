import type { ObjectStore } from "../store/object-store.ts";
import { damaged } from "./damage.ts";
import type { BackupHeader } from "./manifest.ts";
import { decodeHeader, decodeHeaderLength, manifestStartBytes } from "./manifest-bytes.ts";
import { signatureBytes } from "./manifest-bytes.ts";
import { parseManifestKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";

/** The header that begins a manifest, checked; and where the sealed body begins. */
export async function readHeader(
  store: ObjectStore,
  object: string,
  { signal }: { signal: AbortSignal },
): Promise<{ header: BackupHeader; bodyAt: number }> {
  const fetch = (offset: number, length: number) =>
    readObject(store, object, { max: length, range: { offset, length }, signal });
  const length = decodeHeaderLength(await fetch(0, manifestStartBytes), object);
  const bytes = await fetch(manifestStartBytes, length + signatureBytes);
  const header = decodeHeader(bytes.subarray(0, length), bytes.subarray(length), object);
  const place = parseManifestKey(object);
  if (header.id !== place?.id || header.instance !== place.instance)
    throw damaged(object, `it is the manifest of ${header.instance}, backup ${header.id}`);
  return { header, bodyAt: manifestStartBytes + length + signatureBytes };
}
