import { Command } from "commander";
import { parseBackupBody } from "../../agent/backup/backup-body.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { openBackupByName } from "../direct/open-repository-url.ts";
import { formatBytes, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { backupsLsCommand, summarize } from "./backups-ls.ts";
import { markCommands } from "./backups-mark.ts";
import { showFleetBackup } from "./fleet-backups.ts";
import { directRepoOption, identityOption, jsonOption, passphraseOption } from "./options.ts";

interface ShowFlags extends KeyFlags {
  repo?: string;
  json: boolean;
}

export function backupsCommand(signal: AbortSignal): Command {
  const show = new Command("show")
    .description("Shows what is in a backup: tables, objects, sizes, position.")
    .argument("<backup>", "an id, latest, or host/db:latest")
    .addOption(directRepoOption)
    .addOption(identityOption)
    .addOption(passphraseOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  dbctl backups show latest --repo file:///backups --identity identity.txt",
    )
    .action(async (name: string, { repo, ...flags }: ShowFlags) => {
      if (repo === undefined) return await showFleetBackup(name, { json: flags.json, signal });
      await showBackup(name, { ...flags, repo }, signal);
    });
  const command = new Command("backups")
    .description("Lists, shows, deletes and holds backups.")
    .addCommand(backupsLsCommand(signal))
    .addCommand(show);
  for (const verb of markCommands(signal)) command.addCommand(verb);
  return command;
}

async function showBackup(
  name: string,
  flags: ShowFlags & { repo: string },
  signal: AbortSignal,
): Promise<void> {
  const backup = await openBackupByName(name, {
    ...flags,
    deleted: !name.endsWith("latest"),
    signal,
  });
  const { tool, facts, position, list: objects, tables } = parseBackupBody(backup);
  const document = {
    ...summarize(backup.header),
    tool,
    facts,
    position,
    tables: tables.map(({ data, sums }) => ({
      name: `${data.schema}.${data.name}`,
      rows: Number(sums.rows),
      bytes: Number(sums.bytes),
      digest: sums.digest,
    })),
    objects: objects.objects.map(({ kind, name: object, section }) => ({
      kind,
      name: object,
      section,
    })),
    missing: objects.unsupported,
    requires: objects.requires,
  };
  const { source, state, started } = backup.header;
  const rows = document.tables.map(({ name: table, rows: count, bytes }) => [
    table,
    String(count),
    formatBytes(bytes),
  ]);
  const lines = [
    `Backup ${document.backup} of ${source.host}/${source.database}, ${started}, ${state}`,
    `${source.engine} ${source.version}; position ${JSON.stringify(position)}`,
    "",
    ...formatTable([["TABLE", "ROWS", "BYTES"], ...rows]),
    "",
    `${document.objects.length} objects; ${objects.unsupported.length} missing`,
    ...objects.unsupported.map(({ kind, name: object }) => `  missing: ${kind} ${object}`),
  ];
  await printResult(document, { json: flags.json, lines });
}
