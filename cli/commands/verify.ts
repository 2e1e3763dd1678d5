import { Command } from "commander";
import { damaged, verifyBackup } from "../../agent/verify/verify-backup.ts";
import { exitCodes } from "../../core/errors.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { openBackupByName } from "../direct/open-repository-url.ts";
import { formatBytes } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { type FleetVerifyFlags, verifyFleet } from "./fleet-verify.ts";
import {
  directRepoOption,
  identityOption,
  jsonOption,
  passphraseOption,
  waitOption,
} from "./options.ts";

interface VerifyFlags extends KeyFlags {
  repo: string;
  json: boolean;
  signal: AbortSignal;
}

export function verifyCommand(signal: AbortSignal): Command {
  return new Command("verify")
    .description(
      "Reads, opens and hashes everything a backup refers to, and names what is damaged.",
    )
    .argument("<backup>", "an id; of a repository also latest, or host/db:latest")
    .addOption(directRepoOption)
    .addOption(identityOption)
    .addOption(passphraseOption)
    .option("--host <host>", "without --repo: whose agent verifies (the backup's own host)")
    .addOption(waitOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nWithout --repo the agent of a host verifies a backup of the fleet's catalog." +
        "\n\nExample:\n  dbctl verify latest --repo file:///backups --identity identity.txt",
    )
    .action(async (name: string, flags: Omit<FleetVerifyFlags, "signal"> & { repo?: string }) => {
      const { repo, ...rest } = flags;
      if (repo === undefined) await verifyFleet(name, { ...rest, signal });
      else await verify(name, { ...rest, repo, signal });
    });
}

/** A damaged backup is a result as well: all of it is printed, then the exit code tells. */
async function verify(name: string, flags: VerifyFlags): Promise<void> {
  const { json, signal } = flags;
  const backup = await openBackupByName(name, flags);
  const { id, state, source, sizes } = backup.header;
  using progress = new Progress();
  progress.begin(`verifying ${id}`, sizes.read);
  for await (const event of verifyBackup(backup, { signal })) {
    if (event.kind === "progress") progress.add(event.bytes);
    if (event.kind !== "finished") continue;
    const { damages, bytes, chunks } = event;
    const ok = damages.length === 0;
    const error = ok ? {} : { error: describe(damaged(id, damages)) };
    const document = { backup: id, ok, state, source, bytes, chunks, damages, ...error };
    const lines = ok
      ? [`Backup ${id} is whole: ${chunks} chunks, ${formatBytes(bytes)} read and hashed.`]
      : [
          `Backup ${id} is damaged:`,
          ...damages.map(({ object, what }) => `  ${object}: ${what}`),
          `  → ${damaged(id, damages).remedy}`,
        ];
    progress[Symbol.dispose]();
    await printResult(document, { json, lines });
    if (!ok) process.exitCode = exitCodes["repository-damaged"];
  }
}

function describe({ code, message, remedy }: ReturnType<typeof damaged>) {
  return { code, message, remedy };
}
