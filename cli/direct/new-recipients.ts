import { rm } from "node:fs/promises";
import { openKeyService } from "../../agent/adapters.ts";
import { encrypterFor } from "../../agent/repository/epoch-file.ts";
import { kmsRecipient, passphraseRecipient } from "../../agent/repository/held-identity.ts";
import { generateIdentity } from "../../agent/repository/identity.ts";
import { fileRecipient, type Recipient } from "../../agent/repository/recipient.ts";
import { readPassphrase } from "./held-keys.ts";
import { writeIdentity } from "./write-identity.ts";

/** Who shall be able to open the backups. */
export interface NewRecipientFlags {
  /** `age1…`, or `name=age1…`. */
  recipient: readonly string[];
  /** A new identity is written there. */
  identityOut?: string;
  newPassphraseFile?: string;
  kms?: string;
  /** What people call the one that is made here. */
  name?: string;
}

interface Making {
  repository: string;
  now: Date;
  signal: AbortSignal;
}

/** The recipients; disposing removes the file of a new identity that no repository got. */
export interface NewRecipients extends AsyncDisposable {
  recipients: Recipient[];
  /** They are in a repository: the new identity stays. */
  keep(): void;
}

/** Makes every recipient that was asked for. A new identity is on disk before anybody uses it. */
export async function makeRecipients(
  flags: NewRecipientFlags,
  { repository, now, signal }: Making,
): Promise<NewRecipients> {
  const { identityOut, newPassphraseFile, kms, name = "" } = flags;
  const recipients: Recipient[] = flags.recipient.map((text) =>
    parseRecipient(text, { name, now }),
  );
  encrypterForAll(recipients);
  if (newPassphraseFile !== undefined)
    recipients.push(
      await passphraseRecipient(await readPassphrase(newPassphraseFile), { name, now }),
    );
  if (kms !== undefined) {
    const service = await openKeyService(kms, process.env);
    recipients.push(await kmsRecipient(service, { repository, name, now, signal }));
  }
  let written: string | undefined;
  if (identityOut !== undefined) {
    const { identity, recipient } = await generateIdentity();
    await writeIdentity(identityOut, { identity, recipient, now });
    written = identityOut;
    recipients.push(fileRecipient(recipient, { now, name }));
  }
  return {
    recipients,
    keep: () => void (written = undefined),
    [Symbol.asyncDispose]: async () => {
      if (written !== undefined) await rm(written, { force: true });
    },
  };
}

/** `name`: of one that brings none. */
function parseRecipient(text: string, { name, now }: { name: string; now: Date }): Recipient {
  const [, own = name, recipient = ""] = /^(?:([^=]*)=)?(.*)$/s.exec(text) ?? [];
  return fileRecipient(recipient, { now, name: own });
}

function encrypterForAll(recipients: readonly Recipient[]): void {
  if (recipients.length > 0) encrypterFor(recipients.map(({ recipient }) => recipient));
}
