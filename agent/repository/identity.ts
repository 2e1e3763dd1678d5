import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { DbctlError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { readSecretFile } from "../../core/secret-file.ts";

/** A new age key pair (X25519): the identity opens what was sealed to the recipient. */
export async function generateIdentity(): Promise<{ identity: Secret; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity: new Secret(identity), recipient: await identityToRecipient(identity) };
}

/**
 * The identity in a file as age-keygen(1) writes it: empty lines and lines that begin with `#` do
 * not count. Rejects with `file-missing`, with `secret-exposed` when others may read the file, and
 * with `config-invalid` when there is not exactly one identity in it.
 */
export async function readIdentityFile(path: string): Promise<Secret> {
  const text = await readSecretFile(path);
  if (text === undefined)
    throw new DbctlError("file-missing", `Cannot read the identity file ${path}: it is not there`, {
      remedy: "Name the file that holds the key to this repository",
    });
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const [identity = "", ...more] = lines;
  if (more.length > 0 || !/^AGE-SECRET-KEY-1[0-9A-Z]{58}$/.test(identity))
    throw new DbctlError(
      "config-invalid",
      `Cannot use the identity file ${path}: it does not hold exactly one age identity`,
      { remedy: "Name a file with one line that begins with AGE-SECRET-KEY-1" },
    );
  return new Secret(identity);
}
