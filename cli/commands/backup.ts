import { Command } from "commander";
import { openStore, parseTarget, resolvePassword } from "../../agent/adapters.ts";
import type { BackupEvent, FinishedBackup } from "../../agent/backup/back-up-database.ts";
import { startBackup } from "../../agent/backup/start-backup.ts";
import { accessDatabase } from "../../agent/database-access.ts";
import { DbctlError } from "../../core/errors.ts";
import { unreachable } from "../../core/unreachable.ts";
import { stateFolder } from "../direct/state-folder.ts";
import { formatBytes, formatSeconds } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { readVersion } from "../../core/version.ts";
import { backUpFleet, type FleetBackupFlags } from "./fleet-backup.ts";
import {
  directRepoOption,
  isUrl,
  jobsOption,
  jsonOption,
  requireRepo,
  selectorOption,
  waitOption,
} from "./options.ts";
import {
  capsOf,
  describeLimit,
  downloadLimitOption,
  refuseTransferOptions,
  type TransferFlags,
  uploadLimitOption,
} from "./transfer-options.ts";

interface BackupFlags extends Omit<FleetBackupFlags, "signal">, TransferFlags {
  repo?: string;
  jobs: number;
}

type DirectFlags = Pick<BackupFlags, "jobs" | "allowMissing" | "freshEpoch" | "json"> &
  TransferFlags & {
    repo: string;
    signal: AbortSignal;
  };

export function backupCommand(signal: AbortSignal): Command {
  return new Command("backup")
    .description("Backs up databases, consistently, encrypted and deduplicated.")
    .argument("[databases...]", "one URL (postgres://…, mariadb://…), or names: host/database …")
    .option("--all", "every database of the fleet that has a policy", false)
    .addOption(selectorOption)
    .addOption(waitOption)
    .addOption(directRepoOption)
    .addOption(jobsOption)
    .addOption(uploadLimitOption)
    .addOption(downloadLimitOption)
    .option("--allow-missing", "make a partial backup when objects cannot be backed up", false)
    .option(
      "--fresh-epoch",
      "begin a new data key; nothing is deduplicated with older backups",
      false,
    )
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nA URL is backed up from here, into --repo. Databases of the fleet are backed up by their" +
        "\nhosts, as their policies say (repository, connections at once)." +
        "\nPasswords come from PGPASSWORD, ~/.pgpass, MYSQL_PWD or ~/.my.cnf, never from the URL." +
        "\n\nExamples:\n  dbctl backup 'postgres:///shop?host=/run/postgresql' --repo file:///backups" +
        "\n  dbctl backup db7/shop db8/crm --wait\n  dbctl backup -l env=prod --wait",
    )
    .action(async (targets: string[], { repo, ...flags }: BackupFlags, command: Command) => {
      const [url = "", ...more] = targets;
      if (!targets.some(isUrl)) {
        refuseDirectOptions(command);
        refuseTransferOptions(command);
        return await backUpFleet(targets, { ...flags, signal });
      }
      if (more.length > 0 || flags.all || flags.selector !== undefined || flags.wait)
        throw new DbctlError("usage", "Cannot back up: a URL stands alone", {
          remedy: "Back up one URL at a time, without --all, --selector and --wait",
        });
      await backUp(url, { ...flags, repo: requireRepo(repo), signal });
    });
}

/** What a policy decides must not look as if it could be asked for here. */
function refuseDirectOptions(command: Command): void {
  for (const name of ["repo", "jobs"])
    if (command.getOptionValueSource(name) === "cli")
      throw new DbctlError("usage", `Cannot use --${name} without a database URL`, {
        remedy:
          "Name one, for example postgres:///shop?host=/run/postgresql; of databases of the fleet " +
          "the policies say it: leave it out",
      });
}

async function backUp(url: string, flags: DirectFlags): Promise<void> {
  const { repo, jobs, allowMissing, freshEpoch, signal } = flags;
  const target = parseTarget(url);
  const caps = capsOf(flags);
  const events = startBackup(
    {
      database: accessDatabase(target, await resolvePassword(target, process.env), caps),
      store: await openStore(repo, { caps, signal }),
      storeUrl: repo,
      stateDir: stateFolder(process.env, process.getuid?.()),
      now: () => new Date(),
      tool: readVersion(),
    },
    { jobs, allowMissing, freshEpoch, signal },
  );
  await printFinished(await follow(events, describeLimit("sending", flags.uploadLimit)), flags);
}

/** Shows progress until the backup is finished. */
async function follow(events: AsyncIterable<BackupEvent>, limit: string): Promise<FinishedBackup> {
  using progress = new Progress();
  for await (const event of events) {
    switch (event.kind) {
      case "connected":
        progress.begin(`${event.facts.host}/${event.facts.database}: opening a snapshot`);
        break;
      case "snapshot-opened":
        progress.begin(`backing up ${event.tables} tables${limit}`, event.estimate);
        break;
      case "part-stored":
        progress.add(Number(event.sums.bytes));
        break;
      case "finished":
        return event;
      default:
        return unreachable(event);
    }
  }
  throw new Error("Cannot report the backup: it ended without a result");
}

async function printFinished(
  { header, missing, rows, tables, chunks, position }: FinishedBackup,
  { json }: DirectFlags,
): Promise<void> {
  const { id, state, sizes, source, instance, epoch, started, finished } = header;
  const seconds = (Date.parse(finished) - Date.parse(started)) / 1000;
  const document = {
    backup: id,
    state,
    bytes: { read: sizes.read, stored: sizes.stored, new: sizes.new },
    chunks: { all: chunks.all, new: chunks.new, known: chunks.all - chunks.new },
    seconds,
    source,
    instance,
    epoch,
    position,
    started,
    finished,
    tables,
    rows: Number(rows),
    missing,
  };
  const lines = [
    `Backup ${id} of ${source.host}/${source.database} is ${state}.`,
    `${tables} tables, ${rows} rows, ${formatBytes(sizes.read)} read, ` +
      `${formatBytes(sizes.new)} of it new, ${formatBytes(sizes.stored)} stored ` +
      `in ${formatSeconds(seconds)}.`,
    `${chunks.all - chunks.new} of ${chunks.all} chunks were known.`,
    ...missing.map(({ kind, name, remedy }) => `Missing: ${kind} ${name} (${remedy})`),
  ];
  await printResult(document, { json, lines });
}
