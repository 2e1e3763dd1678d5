import { Command } from "commander";
import { rotateEpochs } from "../../agent/keys/rotate-epochs.ts";
import { type KeyFlags, unlock } from "../direct/held-keys.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { identitiesOption, jsonOption, passphraseOption } from "./options.ts";

type Flags = KeyFlags & { json: boolean };

export function keysRotateCommand(signal: AbortSignal): Command {
  return new Command("rotate")
    .description("Seals the keys of all epochs to the recipients of now. Data is not rewritten.")
    .argument("<repo-url>")
    .addOption(identitiesOption)
    .addOption(passphraseOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nNeeds an identity that opens what is there, and one of a recipient of now, which is tried" +
        "\nbefore anything older goes. Run again after a failure, it goes on." +
        "\n\nExample:\n  dbctl repo keys rotate file:///backups --identity old.txt --identity new.txt",
    )
    .action(async (url: string, flags: Flags) => await rotate(url, { ...flags, signal }));
}

async function rotate(url: string, flags: Flags & { signal: AbortSignal }): Promise<void> {
  const { json, signal } = flags;
  const { store, repository } = await openRepositoryUrl(url, { signal });
  const identity = await unlock(repository, flags, { signal });
  const { list } = repository;
  const sums = { sealed: 0, kept: 0, removed: 0 };
  const remains: { object: string; why: string }[] = [];
  using progress = new Progress();
  progress.begin("sealing the epochs' keys");
  for await (const event of rotateEpochs({ store, repository, list, identity, signal })) {
    if (event.kind === "remains") remains.push({ object: event.object, why: event.why });
    else sums[event.kind] += 1;
  }
  progress[Symbol.dispose]();
  const lines = [
    `${sums.sealed} epochs sealed to the recipients of now, ${sums.kept} were before; ` +
      `${sums.removed} older sealings removed.`,
    ...remains.map(({ object, why }) => `Old keys still open ${object}: ${why}`),
  ];
  await printResult({ repository: repository.id, list, ...sums, remains }, { json, lines });
}
