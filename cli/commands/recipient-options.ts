import { Option } from "commander";

// Who may open the backups: the same words where a repository is made and where one is added.

export const recipientOption = new Option(
  "--recipient <age1…>",
  "an age public key, or name=age1…; may be given several times",
)
  .argParser((text: string, before: string[]) => [...before, text])
  .default([], "none");

export const identityOutOption = new Option(
  "--identity-out <file>",
  "make a new identity and write it there; must not exist yet",
);

export const newPassphraseOption = new Option(
  "--new-passphrase-file <file>",
  "a passphrase opens them; the identity is kept in the repository, sealed with it",
);

export const kmsOption = new Option(
  "--kms <key>",
  "a key service opens them: awskms:///alias/NAME?region=… or vault://host:8200/transit/keys/NAME",
);
