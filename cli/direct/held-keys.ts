import { openKeyService } from "../../agent/adapters.ts";
import { unlockRepository } from "../../agent/keys/unlock-repository.ts";
import { readIdentityFile } from "../../agent/repository/identity.ts";
import type { RepositoryInfo } from "../../agent/repository/open-repository.ts";
import { DbctlError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { readSecretFile } from "../../core/secret-file.ts";

/** What a command was given to open backups with. */
export interface KeyFlags {
  /** A file, or several. */
  identity?: string | readonly string[];
  passphraseFile?: string;
}

/**
 * The identities that open the repository's epochs: of the files that are named, of the passphrase,
 * or else from the key service that a recipient names.
 */
export async function unlock(
  repository: RepositoryInfo,
  { identity, passphraseFile }: KeyFlags,
  { signal }: { signal: AbortSignal },
): Promise<Secret> {
  const files = identity === undefined ? [] : [identity].flat();
  const held = {
    identities: await Promise.all(files.map((file) => readIdentityFile(file))),
    passphrase: passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile),
    openService: (url: string) => openKeyService(url, process.env),
  };
  return await unlockRepository(repository, held, { signal });
}

/** The first line of a file that nobody else may read. */
export async function readPassphrase(path: string): Promise<Secret> {
  const text = await readSecretFile(path);
  if (text === undefined)
    throw new DbctlError("file-missing", `Cannot read the passphrase in ${path}: it is not there`, {
      remedy: "Name the file, mode 0600, that holds the passphrase",
    });
  const [line = "", ...rest] = text.split(/\r?\n/);
  if (line.length < leastCharacters || rest.some((more) => more !== ""))
    throw new DbctlError(
      "config-invalid",
      `Cannot use the passphrase in ${path}: it is not one line of at least ${leastCharacters} characters`,
      { remedy: "Name a file, mode 0600, with a passphrase that nobody guesses: six random words" },
    );
  return new Secret(line);
}

/** Whoever can read the bucket can guess as long as they like. */
const leastCharacters = 12;
