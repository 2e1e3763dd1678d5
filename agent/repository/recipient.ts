import { isoTime, label, list, oneOf, record, type Shape, text } from "./json-shape.ts";

/**
 * Someone to whom the epochs' keys are sealed: always an age X25519 public key, so that a host needs
 * no passphrase and no key service to write. Where its identity is, is told beside it.
 */
export interface Recipient {
  /** age public key, `age1…`. */
  recipient: string;
  /** For people. */
  name: string;
  added: string;
  identity: HeldIdentity;
}

/** Where the identity (the secret key) of a recipient is. */
export type HeldIdentity =
  /** In a file that somebody keeps. */
  | { kind: "file" }
  /** Here, sealed with a passphrase: an age file with an scrypt stanza, in base64. */
  | { kind: "passphrase"; sealed: string }
  /** Here, encrypted by a key service under the key that the URL names; in base64. */
  | { kind: "kms"; key: string; wrapped: string };

const base64 = text(/^[A-Za-z0-9+/]{1,20000}={0,2}$/);

const shapes: { [Kind in HeldIdentity["kind"]]: Shape<HeldIdentity> } = {
  file: record<{ kind: "file" }>({ kind: oneOf("file") }),
  passphrase: record<{ kind: "passphrase"; sealed: string }>({
    kind: oneOf("passphrase"),
    sealed: base64,
  }),
  kms: record<{ kind: "kms"; key: string; wrapped: string }>({
    kind: oneOf("kms"),
    key: label,
    wrapped: base64,
  }),
};

const heldIdentityShape: Shape<HeldIdentity> = (value, where) => {
  const kinds = record<{ kind: HeldIdentity["kind"] }>({
    kind: oneOf("file", "passphrase", "kms"),
  });
  const { kind } = kinds({ kind: (value as { kind?: unknown } | null)?.kind }, where);
  return shapes[kind](value, where);
};

const recipientShape = record<Recipient>({
  recipient: text(/^age1[0-9a-z]{1,4000}$/),
  name: label,
  added: isoTime,
  identity: heldIdentityShape,
});

/** Checks a parsed list of recipients. */
export const recipientsShape: Shape<Recipient[]> = list(recipientShape, { max: 64 });

/** A recipient whose identity somebody keeps in a file. */
export function fileRecipient(recipient: string, { now, name = "" }: { now: Date; name?: string }) {
  return { recipient, name, added: now.toISOString(), identity: { kind: "file" } } as const;
}
