import { Command } from "commander";
import { checkKeys, type EpochCheck } from "../../agent/keys/check-keys.ts";
import type { RepositoryInfo } from "../../agent/repository/open-repository.ts";
import { exitCodes } from "../../core/errors.ts";
import { type KeyFlags, unlock } from "../direct/held-keys.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { identitiesOption, jsonOption, passphraseOption } from "./options.ts";

type Flags = KeyFlags & { json: boolean };

export function keysCheckCommand(signal: AbortSignal): Command {
  return new Command("check")
    .description("Tries to open the key of every epoch with what you hold.")
    .argument("<repo-url>")
    .addOption(identitiesOption)
    .addOption(passphraseOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExit code 77 when an epoch cannot be opened, 65 when one is damaged." +
        "\n\nExample:\n  dbctl repo keys check file:///backups --identity identity.txt",
    )
    .action(async (url: string, flags: Flags) => await check(url, { ...flags, signal }));
}

async function check(url: string, flags: Flags & { signal: AbortSignal }): Promise<void> {
  const { json, signal } = flags;
  const { store, repository } = await openRepositoryUrl(url, { signal });
  const identity = await unlock(repository, flags, { signal });
  const epochs = await Array.fromAsync(checkKeys({ store, repository }, { identity, signal }));
  const shown = epochs.map((epoch) => ({ ...epoch, ...judge(epoch, repository, new Date()) }));
  const rows = shown.map((one) => [one.instance, one.epoch, one.verdict, one.notes.join("; ")]);
  const lines = formatTable([["INSTANCE", "EPOCH", "KEY", "NOTES"], ...rows]);
  const none = ["No backups yet: there is no epoch to open."];
  await printResult({ epochs: shown }, { json, lines: rows.length === 0 ? none : lines });
  if (shown.some(({ verdict }) => verdict === "shut"))
    process.exitCode = exitCodes["identity-wrong"];
  if (shown.some(({ verdict }) => verdict === "damaged"))
    process.exitCode = exitCodes["repository-damaged"];
}

const longestMs = 30 * 24 * 3600 * 1000;

function judge(
  { damage, openedBy, created, list, older }: EpochCheck,
  repository: RepositoryInfo,
  now: Date,
): { verdict: "opens" | "shut" | "damaged"; notes: string[] } {
  if (damage !== undefined) return { verdict: "damaged", notes: [damage] };
  const notes: string[] = [];
  if (openedBy.length === 0) notes.push("none of the keys that were given opens it");
  if (created !== undefined && now.getTime() - Date.parse(created) > longestMs)
    notes.push(`its data key is from ${created}`);
  if (list !== undefined && list < repository.list)
    notes.push("sealed to former recipients: rotate");
  if (list === undefined && repository.list > 0) notes.push("as its host sealed it");
  if (older.length > 0) notes.push(`older sealings: ${older.join(", ")}`);
  return { verdict: openedBy.length === 0 ? "shut" : "opens", notes };
}
