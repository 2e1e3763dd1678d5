import { Command } from "commander";
import { openStore } from "../../agent/adapters.ts";
import { newRandomId } from "../../agent/repository/identifier.ts";
import { initRepository } from "../../agent/repository/init-repository.ts";
import type { RepositoryInfo } from "../../agent/repository/open-repository.ts";
import { readPin, writePin } from "../../agent/repository/repository-pin.ts";
import { DbctlError } from "../../core/errors.ts";
import { makeRecipients, type NewRecipientFlags } from "../direct/new-recipients.ts";
import { stateFolder } from "../direct/state-folder.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";
import {
  identityOutOption,
  kmsOption,
  newPassphraseOption,
  recipientOption,
} from "./recipient-options.ts";

export function repoInitCommand(signal: AbortSignal): Command {
  return new Command("init")
    .description("Creates a repository, for backups that only the recipients' keys can open.")
    .argument("<repo-url>", "for example file:///backups")
    .addOption(identityOutOption)
    .addOption(recipientOption)
    .addOption(newPassphraseOption)
    .addOption(kmsOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nKeep identities away from the hosts that back up: they need only the repository." +
        "\n\nExamples:\n  dbctl repo init file:///backups --identity-out ~/dbctl-identity.txt" +
        "\n  dbctl repo init s3://backups/prod --recipient ops=age1… \\" +
        "\n    --kms 'awskms:///alias/backups?region=eu-central-1'",
    )
    .action(async (url: string, flags: NewRecipientFlags & { json: boolean }) => {
      await init(url, { ...flags, signal });
    });
}

/** What was pinned of another repository that was there before is not what is there now. */
async function replacePin(
  repository: RepositoryInfo,
  { url, now }: { url: string; now: Date },
): Promise<void> {
  const place = { stateDir: stateFolder(process.env, process.getuid?.()), url };
  if ((await readPin(place)) !== undefined) await writePin(repository, { ...place, now });
}

/** Writes the identity before the repository: one that nobody can open must never exist. */
async function init(
  url: string,
  flags: NewRecipientFlags & { json: boolean; signal: AbortSignal },
): Promise<void> {
  const { identityOut, newPassphraseFile, kms, json, signal } = flags;
  if ([identityOut, newPassphraseFile, kms, ...flags.recipient].every((one) => one === undefined))
    throw new DbctlError("usage", "Cannot make a repository: nobody could open its backups", {
      remedy: "Add --identity-out FILE, --recipient age1…, --new-passphrase-file FILE or --kms KEY",
    });
  const store = await openStore(url, { signal });
  const [id, now] = [newRandomId(), new Date()];
  await using made = await makeRecipients(flags, { repository: id, now, signal });
  const { recipients } = made;
  const repository = await initRepository(store, { id, recipients, now, signal });
  made.keep();
  await replacePin(repository, { url, now });
  const only =
    recipients.length === 1 ? ["One recipient is one loss away from none: add another."] : [];
  const lines = [
    `Repository ${id} is ready at ${store.url}.`,
    ...(identityOut === undefined
      ? []
      : [
          `The identity that opens its backups is in ${identityOut}. Without it nothing can be restored:`,
          "keep a copy in a safe place, and none on the hosts that back up.",
        ]),
    ...only,
  ];
  const document = {
    repository: id,
    url: store.url,
    recipient: recipients.at(-1)?.recipient,
    recipients: recipients.map(({ recipient, name, identity }) => ({
      recipient,
      name,
      kind: identity.kind,
    })),
    identity: identityOut,
  };
  await printResult(document, { json, lines });
}
