import { Decrypter } from "age-encryption";
import { DbctlError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { EpochKeys } from "../repository/epoch.ts";
import {
  type EpochFile,
  epochFileShape,
  epochKeysOf,
  encrypterFor,
} from "../repository/epoch-file.ts";
import { timedIdPattern } from "../repository/identifier.ts";
import { isoTime, oneOf, record, text } from "../repository/json-shape.ts";
import type { BackupHeader } from "../repository/manifest.ts";

/** How long a grant may wait for its job (SEC-17). */
const lifeMs = 4 * 3600 * 1000;

/** What an operator hands to one agent, sealed to it: the key of one epoch, for one backup. */
interface EpochGrant {
  format: 1;
  backup: string;
  expires: string;
  epoch: EpochFile;
}

/** As the protocol's `SealedEpochKey` has it. */
export interface SealedGrant {
  epoch: string;
  age: Uint8Array;
}

/** Seals an epoch's key to one agent, for one backup; nobody on the way can open it. */
export async function sealGrant(
  epoch: EpochFile,
  { backup, recipient, now }: { backup: string; recipient: string; now: Date },
): Promise<SealedGrant> {
  const expires = new Date(now.getTime() + lifeMs).toISOString();
  const grant: EpochGrant = { format: 1, backup, expires, epoch };
  const age = await encrypterFor([recipient]).encrypt(JSON.stringify(grant));
  return { epoch: epoch.epoch, age };
}

interface Opening {
  identity: Secret;
  /** The backup that the job names, as the repository has it. */
  header: BackupHeader;
  now: Date;
}

/**
 * The key in a grant. `identity-wrong` when it was sealed to another agent, is for another backup or
 * has expired: a grant is good for what the operator asked for and nothing else.
 */
export async function openGrant(
  sealed: SealedGrant,
  { identity, header, now }: Opening,
): Promise<EpochKeys> {
  const { backup, expires, epoch } = await unseal(sealed, identity);
  if (backup !== header.id) throw refused(header.id, `it is for backup ${backup}`);
  if (now.getTime() > Date.parse(expires)) throw refused(header.id, `it ended at ${expires}`);
  if (epoch.signer !== header.signer)
    throw refused(header.id, "the backup was signed by another host than the epoch's");
  return epochKeysOf(epoch);
}

async function unseal({ age }: SealedGrant, identity: Secret): Promise<EpochGrant> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity.reveal());
  try {
    return grantShape(JSON.parse(await decrypter.decrypt(age, "text")), "grant");
  } catch (cause) {
    throw refused("a backup", "it was not sealed for this agent, or was changed", cause);
  }
}

const grantShape = record<EpochGrant>({
  format: oneOf(1),
  backup: text(timedIdPattern),
  expires: isoTime,
  epoch: epochFileShape,
});

function refused(backup: string, what: string, cause?: unknown): DbctlError {
  return new DbctlError("identity-wrong", `Cannot use the key granted for ${backup}: ${what}`, {
    remedy: "Run the command again with the identity file: it grants the key anew, for 4 hours",
    cause,
  });
}
