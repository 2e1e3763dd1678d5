import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { damaged } from "./damage.ts";
import { deriveKey, type EpochKeys, type KeyPurpose } from "./epoch.ts";

/** What the bytes are and where they belong: opened elsewhere, they are damage. */
export interface SealedAs {
  purpose: KeyPurpose;
  /** Names within the epoch, such as the backup's id. None holds a line feed. */
  context: string[];
}

const saltBytes = 32;
const tagBytes = 16;
/** What sealing adds. */
export const sealBytes = saltBytes + tagBytes;
/** Every key seals one thing only (its salt is random), so the nonce (NIST SP 800-38D) may be fixed. */
const nonce = Buffer.alloc(12);

/** AES-256-GCM: salt (32), ciphertext, tag (16). docs/format.md, "Sealed bytes". */
export function seal(epoch: EpochKeys, as: SealedAs, plain: Uint8Array): Buffer {
  const salt = randomBytes(saltBytes);
  const cipher = createCipheriv("aes-256-gcm", deriveKey(epoch, as.purpose, { salt }), nonce);
  cipher.setAAD(additionalData(epoch, as));
  return Buffer.concat([salt, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** `object` is named when the bytes are not what was sealed as this. */
export function unseal(
  epoch: EpochKeys,
  as: SealedAs,
  { bytes, object }: { bytes: Uint8Array; object: string },
): Buffer {
  if (bytes.length < sealBytes) throw damaged(object, "it is cut off");
  const salt = bytes.subarray(0, saltBytes);
  const key = deriveKey(epoch, as.purpose, { salt });
  const opener = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  opener.setAAD(additionalData(epoch, as));
  opener.setAuthTag(bytes.subarray(-tagBytes));
  try {
    return Buffer.concat([opener.update(bytes.subarray(saltBytes, -tagBytes)), opener.final()]);
  } catch (cause) {
    throw damaged(object, "its bytes are not those that were sealed", { cause });
  }
}

function additionalData(
  { repository, instance, epoch }: EpochKeys,
  { purpose, context }: SealedAs,
): Buffer {
  return Buffer.from(["dbctl/1", purpose, repository, instance, epoch, ...context].join("\n"));
}
