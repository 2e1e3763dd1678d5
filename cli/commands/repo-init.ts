import { open, rm } from "node:fs/promises";
import { Command } from "commander";
import { openStore } from "../../agent/adapters.ts";
import { generateIdentity } from "../../agent/repository/identity.ts";
import { initRepository } from "../../agent/repository/init-repository.ts";
import { fileRecipient } from "../../agent/repository/recipient.ts";
import { DbctlError } from "../../core/errors.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";

export function repoInitCommand(signal: AbortSignal): Command {
  return new Command("init")
    .description("Creates a repository and the identity that opens its backups.")
    .argument("<repo-url>", "for example file:///backups")
    .requiredOption("--identity-out <file>", "where the new identity goes; must not exist yet")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nKeep the identity away from the hosts that back up: they need only the repository." +
        "\n\nExample:\n  dbctl repo init file:///backups --identity-out ~/dbctl-identity.txt",
    )
    .action(async (url: string, options: { identityOut: string; json: boolean }) => {
      await init_(url, { ...options, signal });
    });
}

interface InitOptions {
  identityOut: string;
  json: boolean;
  signal: AbortSignal;
}

/** Writes the identity before the repository: one that nobody can open must never exist. */
async function init_(url: string, { identityOut, json, signal }: InitOptions): Promise<void> {
  const store = await openStore(url);
  const { identity, recipient } = await generateIdentity();
  const now = new Date();
  const text = `# created: ${now.toISOString()}\n# public key: ${recipient}\n${identity.reveal()}\n`;
  await writeNewFile(identityOut, text);
  try {
    const { id } = await initRepository(store, {
      recipients: [fileRecipient(recipient, { now })],
      now,
      signal,
    });
    const lines = [
      `Repository ${id} is ready at ${store.url}.`,
      `The identity that opens its backups is in ${identityOut}. Without it nothing can be restored:`,
      "keep a copy in a safe place, and none on the hosts that back up.",
    ];
    const document = { repository: id, url: store.url, recipient, identity: identityOut };
    await printResult(document, { json, lines });
  } catch (error) {
    await rm(identityOut, { force: true });
    throw error;
  }
}

async function writeNewFile(path: string, text: string): Promise<void> {
  try {
    await using file = await open(path, "wx", 0o600);
    await file.writeFile(text);
    await file.sync();
  } catch (cause) {
    const what =
      (cause as NodeJS.ErrnoException).code === "EEXIST" ? "it is there already" : String(cause);
    throw new DbctlError("cannot-create", `Cannot write the identity to ${path}: ${what}`, {
      remedy: "Name a file that does not exist yet, in a folder you may write to",
      cause,
    });
  }
}
