import { DbctlError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { KeyService } from "../kms/key-service.ts";
import { openWithPassphrase, openWithService } from "../repository/held-identity.ts";
import type { RepositoryInfo } from "../repository/open-repository.ts";

/** What the one who asks holds. */
export interface HeldKeys {
  /** age identities, of files. */
  identities: readonly Secret[];
  passphrase: Secret | undefined;
  /** Opens the key service that a recipient names; undefined when none may be asked. */
  openService: ((url: string) => Promise<KeyService>) | undefined;
}

/**
 * The identities that open this repository's epochs, one a line, as an age identity file has them.
 * Key services are asked only when nothing else is held. `identity-wrong` names who could open it.
 */
export async function unlockRepository(
  repository: RepositoryInfo,
  { identities, passphrase, openService }: HeldKeys,
  { signal }: { signal: AbortSignal },
): Promise<Secret> {
  const found = [...identities];
  if (passphrase !== undefined) found.push(...(await tryPassphrase(repository, passphrase)));
  if (found.length === 0 && openService !== undefined)
    found.push(...(await askServices(repository, { openService, signal })));
  if (found.length > 0) return new Secret(found.map((one) => one.reveal()).join("\n"));
  throw nothingOpens(repository, passphrase !== undefined);
}

async function tryPassphrase(repository: RepositoryInfo, passphrase: Secret): Promise<Secret[]> {
  const opened = await Promise.all(
    repository.recipients.map((one) => openWithPassphrase(one, passphrase)),
  );
  return opened.filter((one) => one !== undefined);
}

/** One service that answers is enough; when none does, the first one's error tells why. */
async function askServices(
  { id, recipients }: RepositoryInfo,
  {
    openService,
    signal,
  }: { openService: (url: string) => Promise<KeyService>; signal: AbortSignal },
): Promise<Secret[]> {
  const failures: unknown[] = [];
  for (const one of recipients) {
    if (one.identity.kind !== "kms") continue;
    try {
      const service = await openService(one.identity.key);
      const identity = await openWithService(one, { service, repository: id, signal });
      if (identity !== undefined) return [identity];
    } catch (error) {
      signal.throwIfAborted();
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return [];
}

function nothingOpens({ recipients }: RepositoryInfo, tried: boolean): DbctlError {
  const code = tried ? "identity-wrong" : "usage";
  const what = tried ? "it is not the passphrase of any recipient" : "no key was given";
  const ways = recipients.map(({ recipient, name, identity }) => {
    const who = name === "" ? recipient : `${name} (${recipient})`;
    switch (identity.kind) {
      case "file":
        return `--identity with the file of ${who}`;
      case "passphrase":
        return `--passphrase-file for ${who}`;
      case "kms":
        return `a right to decrypt with ${identity.key}`;
    }
  });
  return new DbctlError(code, `Cannot open the repository's backups: ${what}`, {
    remedy: `What opens it: ${ways.join("; or ")}`,
  });
}
