import { Command } from "commander";
import { parseBackupBody } from "../../agent/backup/backup-body.ts";
import { listBackups } from "../../agent/repository/list-backups.ts";
import type { BackupHeader } from "../../agent/repository/manifest.ts";
import { DbctlError } from "../../core/errors.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { openBackupByName, openRepositoryUrl } from "../direct/open-repository-url.ts";
import { formatBytes, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { reportError } from "../output/report-error.ts";
import { listFleetBackups, showFleetBackup } from "./fleet-backups.ts";
import { directRepoOption, identityOption, jsonOption, passphraseOption } from "./options.ts";

interface ShowFlags extends KeyFlags {
  repo?: string;
  json: boolean;
}

export function backupsCommand(signal: AbortSignal): Command {
  const ls = new Command("ls")
    .description("Lists the backups of the fleet, or of a repository, oldest first. Needs no key.")
    .addOption(directRepoOption)
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl backups ls --repo file:///backups")
    .action(async ({ repo, json }: { repo?: string; json: boolean }) => {
      if (repo === undefined) await listFleetBackups({ json, signal });
      else await list({ repo, json }, signal);
    });
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
  return new Command("backups")
    .description("Lists and shows backups.")
    .addCommand(ls)
    .addCommand(show);
}

async function list(flags: { repo: string; json: boolean }, signal: AbortSignal): Promise<void> {
  const { store } = await openRepositoryUrl(flags.repo, { signal });
  const headers: BackupHeader[] = [];
  let failure: DbctlError | undefined;
  try {
    for await (const header of listBackups(store, { signal })) headers.push(header);
  } catch (error) {
    if (!(error instanceof DbctlError) || signal.aborted) throw error;
    failure = error;
  }
  headers.sort((a, b) => (a.started < b.started ? -1 : 1));
  const head = ["BACKUP", "DATABASE", "ENGINE", "STATE", "READ", "NEW", "STORED"];
  const rows = headers.map(({ id, source, state, sizes }) => [
    id,
    `${source.host}/${source.database}`,
    `${source.engine} ${source.version}`,
    state,
    ...[sizes.read, sizes.new, sizes.stored].map(formatBytes),
  ]);
  const none = failure === undefined ? ["No backups yet."] : [];
  const lines = headers.length === 0 ? none : formatTable([head, ...rows]);
  const backups = headers.map(summary);
  if (failure === undefined) return await printResult({ backups }, { json: flags.json, lines });
  // One that is damaged must not hide those that can be restored.
  const { code, message, remedy } = failure;
  const error = { code, message, remedy };
  await printResult({ backups, error }, { json: flags.json, lines });
  process.exitCode = await reportError(failure, { json: false });
}

function summary({
  id,
  state,
  kind,
  source,
  instance,
  epoch,
  started,
  finished,
  sizes,
}: BackupHeader) {
  const bytes = { read: sizes.read, stored: sizes.stored, new: sizes.new };
  return { backup: id, state, kind, source, instance, epoch, started, finished, bytes };
}

async function showBackup(
  name: string,
  flags: ShowFlags & { repo: string },
  signal: AbortSignal,
): Promise<void> {
  const backup = await openBackupByName(name, { ...flags, signal });
  const { tool, facts, position, list: objects, tables } = parseBackupBody(backup);
  const document = {
    ...summary(backup.header),
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
