import { Decrypter, Encrypter } from "age-encryption";
import { DbctlError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import { damaged } from "./damage.ts";
import type { EpochKeys } from "./epoch.ts";
import { instancePattern, randomIdPattern, timedIdPattern } from "./identifier.ts";
import { hex32, isoTime, oneOf, record, text } from "./json-shape.ts";

/** What `epochs/<epoch>.age` holds, sealed to every recipient. docs/format.md, "Epochs". */
export interface EpochFile {
  format: 1;
  repository: string;
  instance: string;
  epoch: string;
  /** 32 bytes in hexadecimal. */
  key: string;
  /** The ed25519 public key that signs the manifests of this epoch. */
  signer: string;
  created: string;
}

export const maxEpochFileBytes = 1 << 20;

export async function sealEpochFile(file: EpochFile, recipients: string[]): Promise<Uint8Array> {
  return await encrypterFor(recipients).encrypt(JSON.stringify(file));
}

/** An age X25519 recipient: 32 bytes and a checksum in Bech32. */
const x25519Recipient = /^age1[02-9ac-hj-np-z]{58}$/;

/**
 * `config-invalid` unless each is an age X25519 recipient and there is at least one. What other
 * recipients can open (post-quantum ones, plugins), no identity file of ours would.
 */
export function encrypterFor(recipients: string[]): Encrypter {
  const encrypter = new Encrypter();
  if (recipients.length === 0) throw invalid("no key is named to seal for");
  for (const recipient of recipients) {
    try {
      if (!x25519Recipient.test(recipient)) throw new SyntaxError("it is of another kind");
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw invalid(`"${recipient}" is no age X25519 recipient`, cause);
    }
  }
  return encrypter;
}

/** Takes one or more identities, one a line. `identity-wrong` when none of them opens the file. */
export async function openEpochFile(
  bytes: Uint8Array,
  identity: Secret,
  object: string,
): Promise<EpochFile> {
  const decrypter = new Decrypter();
  try {
    for (const one of identity.reveal().split("\n")) decrypter.addIdentity(one);
  } catch (cause) {
    throw wrongIdentity(object, "what was given is no age identity", cause);
  }
  let json: string;
  try {
    json = await decrypter.decrypt(bytes, "text");
  } catch (cause) {
    if (cause instanceof Error && cause.message === noMatch)
      throw wrongIdentity(object, "it was not sealed for this key", cause);
    throw damaged(object, "it is no age file, or not the one that was written", { cause });
  }
  try {
    return epochFileShape(JSON.parse(json), "epoch");
  } catch (cause) {
    throw damaged(object, "its content is malformed", { cause });
  }
}

/** The key that the file holds, as those who use it want it. */
export function epochKeysOf({ repository, instance, epoch, key }: EpochFile): EpochKeys {
  return { repository, instance, epoch, key: new Uint8Array(Buffer.from(key, "hex")) };
}

/** What the library says, word by word; epoch-file.test.ts would notice a change. */
const noMatch = "no identity matched any of the file's recipients";

/** Checks a parsed epoch file. */
export const epochFileShape = record<EpochFile>({
  format: oneOf(1),
  repository: text(randomIdPattern),
  instance: text(instancePattern),
  epoch: text(timedIdPattern),
  key: hex32,
  signer: hex32,
  created: isoTime,
});

function invalid(what: string, cause?: unknown): DbctlError {
  return new DbctlError("config-invalid", `Cannot seal the epoch's key: ${what}`, {
    remedy: "Name public keys that begin with age1, as dbctl repo init prints them",
    cause,
  });
}

function wrongIdentity(object: string, what: string, cause: unknown): DbctlError {
  return new DbctlError("identity-wrong", `Cannot open ${object}: ${what}`, {
    remedy: "Name the identity file of one of the repository's recipients",
    cause,
  });
}
