import { Decrypter, Encrypter, identityToRecipient } from "age-encryption";
import { DbctlError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { damaged } from "./damage.ts";
import { generateIdentity } from "./identity.ts";
import { recipientsPrefix } from "./object-key.ts";
import type { Recipient } from "./recipient.ts";

/** Wraps and unwraps small secrets with a key that this process never sees. */
export interface IdentityWrapper {
  readonly url: string;
  wrap(plain: Uint8Array, context: WrapContext, options: Waiting): Promise<Buffer>;
  unwrap(wrapped: Uint8Array, context: WrapContext, options: Waiting): Promise<Buffer>;
}

/** What a wrapped identity is bound to. */
interface WrapContext {
  repository: string;
  recipient: string;
}

interface Waiting {
  signal: AbortSignal;
}

interface Making {
  name: string;
  now: Date;
}

/** age's default; the lower bound of what age itself calls safe. */
const scryptWorkFactor = 18;

/** A new recipient whose identity is kept in the repository, sealed with a passphrase. */
export async function passphraseRecipient(
  passphrase: Secret,
  { name, now, workFactor = scryptWorkFactor }: Making & { workFactor?: number },
): Promise<Recipient> {
  const { identity, recipient } = await generateIdentity();
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase.reveal());
  encrypter.setScryptWorkFactor(workFactor);
  const sealed = Buffer.from(await encrypter.encrypt(identity.reveal())).toString("base64");
  const held = { kind: "passphrase", sealed } as const;
  return { recipient, name, added: now.toISOString(), identity: held };
}

/** A new recipient whose identity is kept in the repository, wrapped; tried before it is used. */
export async function kmsRecipient(
  service: IdentityWrapper,
  { repository, name, now, signal }: Making & Waiting & { repository: string },
): Promise<Recipient> {
  const { identity, recipient } = await generateIdentity();
  const context = { repository, recipient };
  const plain = Buffer.from(identity.reveal());
  const wrapped = await service.wrap(plain, context, { signal });
  if (!(await service.unwrap(wrapped, context, { signal })).equals(plain))
    throw new DbctlError("protocol-violated", `Cannot use ${service.url}: it decrypts wrongly`, {
      remedy: "Check that the URL is the one of a key for encryption",
    });
  const held = { kind: "kms", key: service.url, wrapped: wrapped.toString("base64") } as const;
  return { recipient, name, added: now.toISOString(), identity: held };
}

/** The identity of a recipient that a passphrase opens; undefined when it is another passphrase. */
export async function openWithPassphrase(
  { recipient, identity }: Recipient,
  passphrase: Secret,
): Promise<Secret | undefined> {
  if (identity.kind !== "passphrase") return undefined;
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase.reveal());
  const sealed = Buffer.from(identity.sealed, "base64");
  let opened: string;
  try {
    opened = await decrypter.decrypt(sealed, "text");
  } catch (cause) {
    if (cause instanceof Error && cause.message === noMatch) return undefined;
    throw damaged(recipientsPrefix, `the identity of ${recipient} is no age file`, { cause });
  }
  return await provenIdentity(opened, recipient);
}

/** The identity of a recipient whose identity a key service wrapped. */
export async function openWithService(
  { recipient, identity }: Recipient,
  { service, repository, signal }: Waiting & { service: IdentityWrapper; repository: string },
): Promise<Secret | undefined> {
  if (identity.kind !== "kms") return undefined;
  const wrapped = Buffer.from(identity.wrapped, "base64");
  const plain = await service.unwrap(wrapped, { repository, recipient }, { signal });
  return await provenIdentity(plain.toString(), recipient);
}

/** Throws unless it is the recipient's own: somebody may have put another one there. */
async function provenIdentity(identity: string, recipient: string): Promise<Secret> {
  const own = await recipientOf(new Secret(identity)).catch(() => "");
  if (own === recipient) return new Secret(identity);
  throw damaged(recipientsPrefix, `what is kept for ${recipient} is not its identity`);
}

/** The public key of an identity. */
export async function recipientOf(identity: Secret): Promise<string> {
  return await identityToRecipient(identity.reveal());
}

/** What the library says of a wrong passphrase; held-identity.test.ts would notice a change. */
const noMatch = "no identity matched any of the file's recipients";
