import { Command } from "commander";
import { addRecipient, removeRecipient } from "../../agent/keys/change-recipients.ts";
import { endEpochs } from "../../agent/keys/end-epochs.ts";
import type { RepositoryInfo } from "../../agent/repository/open-repository.ts";
import { movePin } from "../../agent/repository/repository-pin.ts";
import { DbctlError } from "../../core/errors.ts";
import { makeRecipients, type NewRecipientFlags } from "../direct/new-recipients.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { stateFolder } from "../direct/state-folder.ts";
import { formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";
import {
  identityOutOption,
  kmsOption,
  newPassphraseOption,
  recipientOption,
} from "./recipient-options.ts";
import { keysCheckCommand } from "./repo-keys-check.ts";
import { keysRotateCommand } from "./repo-keys-rotate.ts";

interface Flags {
  json: boolean;
}

export function repoKeysCommand(signal: AbortSignal): Command {
  return new Command("keys")
    .description("Shows and changes who can open the backups.")
    .addCommand(lsCommand(signal))
    .addCommand(addCommand(signal))
    .addCommand(removeCommand(signal))
    .addCommand(keysRotateCommand(signal))
    .addCommand(newEpochCommand(signal))
    .addCommand(keysCheckCommand(signal));
}

function lsCommand(signal: AbortSignal): Command {
  return new Command("ls")
    .description("Lists the recipients: to whom the keys of new epochs are sealed.")
    .argument("<repo-url>", "for example file:///backups")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl repo keys ls file:///backups")
    .action(async (url: string, { json }: Flags) => {
      const { repository } = await openRepositoryUrl(url, { signal });
      await printRecipients(repository, { json });
    });
}

function addCommand(signal: AbortSignal): Command {
  return new Command("add")
    .description("Adds a recipient. What is there already it opens after a rotation.")
    .argument("<repo-url>", "for example file:///backups")
    .addOption(recipientOption)
    .addOption(identityOutOption)
    .addOption(newPassphraseOption)
    .addOption(kmsOption)
    .option("--name <name>", "what people call it")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  dbctl repo keys add file:///backups --recipient ops=age1…" +
        "\n  dbctl repo keys rotate file:///backups --identity old.txt --identity ops.txt",
    )
    .action(async (url: string, flags: NewRecipientFlags & Flags) => {
      await add(url, { ...flags, signal });
    });
}

async function add(
  url: string,
  flags: NewRecipientFlags & Flags & { signal: AbortSignal },
): Promise<void> {
  const { json, signal } = flags;
  const { store, repository } = await openRepositoryUrl(url, { signal });
  const making = { repository: repository.id, now: new Date(), signal };
  await using made = await makeRecipients(flags, making);
  const [only, ...others] = made.recipients;
  if (only === undefined || others.length > 0)
    throw new DbctlError("usage", "Cannot add a recipient: name exactly one", {
      remedy: "Use one of --recipient, --identity-out, --new-passphrase-file and --kms",
    });
  const changed = await addRecipient({ store, repository, signal }, only);
  made.keep();
  await followChange(url, { from: repository, to: changed });
  await printRecipients(changed, {
    json,
    note: "It opens new epochs. For what is there: dbctl repo keys rotate",
  });
}

function removeCommand(signal: AbortSignal): Command {
  return new Command("remove")
    .description("Removes a recipient. What it could open it opens until a rotation.")
    .argument("<repo-url>", "for example file:///backups")
    .argument("<recipient>", "the public key, or its name")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  dbctl repo keys remove file:///backups ops" +
        "\n  dbctl repo keys rotate file:///backups --identity new.txt",
    )
    .action(async (url: string, name: string, { json }: Flags) => {
      const { store, repository } = await openRepositoryUrl(url, { signal });
      const changed = await removeRecipient({ store, repository, signal }, name);
      await followChange(url, { from: repository, to: changed });
      const note = "It still opens what was sealed to it. To end that: dbctl repo keys rotate";
      await printRecipients(changed, { json, note });
    });
}

function newEpochCommand(signal: AbortSignal): Command {
  return new Command("new-epoch")
    .description("Ends the data keys that hosts use now; their next backups begin new ones.")
    .argument("<repo-url>", "for example file:///backups")
    .option("--instance <id>", "only of this server")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nFor a host that is suspected. A host that may only create objects cannot see it: there," +
        "\nrun its next backup with --fresh-epoch." +
        "\n\nExample:\n  dbctl repo keys new-epoch file:///backups --instance 7312…",
    )
    .action(async (url: string, { instance, json }: Flags & { instance?: string }) => {
      const { store } = await openRepositoryUrl(url, { signal });
      const ended = await Array.fromAsync(endEpochs(store, { instance, now: new Date(), signal }));
      const rows = ended.map((one) => [one.instance, one.epoch]);
      const lines =
        rows.length === 0
          ? ["Nothing to end: no epoch is open."]
          : formatTable([["INSTANCE", "ENDED EPOCH"], ...rows]);
      await printResult({ ended }, { json, lines });
    });
}

/** Who changes the recipients here accepts them here; other hosts are asked with `repo pin`. */
async function followChange(
  url: string,
  change: { from: RepositoryInfo; to: RepositoryInfo },
): Promise<void> {
  const stateDir = stateFolder(process.env, process.getuid?.());
  await movePin(change, { stateDir, url, now: new Date() });
}

async function printRecipients(
  { id, list, recipients }: RepositoryInfo,
  { json, note }: Flags & { note?: string },
): Promise<void> {
  const shown = recipients.map(({ recipient, name, added, identity }) => ({
    recipient,
    name,
    added,
    identity: identity.kind === "kms" ? identity.key : identity.kind,
  }));
  const rows = shown.map(({ recipient, name, added, identity }) => [
    name === "" ? "–" : name,
    identity,
    added,
    recipient,
  ]);
  const lines = [
    ...formatTable([["NAME", "IDENTITY", "ADDED", "RECIPIENT"], ...rows]),
    ...(note === undefined ? [] : [note]),
  ];
  await printResult({ repository: id, list, recipients: shown }, { json, lines });
}
