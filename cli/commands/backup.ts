import { Command } from "commander";
import { createEngine, parseTarget, resolvePassword } from "../../agent/adapters.ts";
import {
  backUpDatabase,
  type BackupEvent,
  type FinishedBackup,
} from "../../agent/backup/back-up-database.ts";
import { unreachable } from "../../core/unreachable.ts";
import { openLane } from "../direct/open-lane.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { stateFolder } from "../direct/state-folder.ts";
import { formatBytes, formatSeconds } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { readVersion } from "../version.ts";
import { jobsOption, jsonOption, repoOption } from "./options.ts";

interface BackupFlags {
  repo: string;
  jobs: number;
  allowMissing: boolean;
  freshEpoch: boolean;
  json: boolean;
  signal: AbortSignal;
}

export function backupCommand(signal: AbortSignal): Command {
  return new Command("backup")
    .description("Backs up one database, consistently, encrypted and deduplicated.")
    .argument("<database-url>", "postgres://user@host:port/db, mariadb://… or mysql://…")
    .addOption(repoOption)
    .addOption(jobsOption)
    .option("--allow-missing", "make a partial backup when objects cannot be backed up", false)
    .option(
      "--fresh-epoch",
      "begin a new data key; nothing is deduplicated with older backups",
      false,
    )
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nPasswords come from PGPASSWORD, ~/.pgpass, MYSQL_PWD or ~/.my.cnf, never from the URL." +
        "\n\nExample:\n  dbctl backup 'postgres:///shop?host=/run/postgresql' --repo file:///backups",
    )
    .action(async (url: string, flags: Omit<BackupFlags, "signal">) => {
      await backUp(url, { ...flags, signal });
    });
}

async function backUp(url: string, flags: BackupFlags): Promise<void> {
  const { repo, jobs, allowMissing, freshEpoch, signal } = flags;
  const target = parseTarget(url);
  const password = await resolvePassword(target, process.env);
  const { store, repository } = await openRepositoryUrl(repo, { signal });
  const parts = {
    engine: createEngine(target, password),
    store,
    repository,
    stateDir: stateFolder(process.env, process.getuid?.()),
    now: () => new Date(),
    tool: readVersion(),
  };
  const events = backUpDatabase(
    {
      ...parts,
      openLane: ({ epoch, indexPath }) => {
        const use = { kind: "backup", epoch, indexPath } as const;
        return openLane({ target, password, storeUrl: repo, use }, { signal });
      },
    },
    { jobs, allowMissing, freshEpoch, signal },
  );
  await printFinished(await follow(events), flags);
}

/** Shows progress until the backup is finished. */
async function follow(events: AsyncIterable<BackupEvent>): Promise<FinishedBackup> {
  using progress = new Progress();
  for await (const event of events) {
    switch (event.kind) {
      case "connected":
        progress.begin(`${event.facts.host}/${event.facts.database}: opening a snapshot`);
        break;
      case "snapshot-opened":
        progress.begin(`backing up ${event.tables} tables`, event.estimate);
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
  { header, missing, rows, tables, position }: FinishedBackup,
  { json }: BackupFlags,
): Promise<void> {
  const { id, state, sizes, source, instance, epoch, started, finished } = header;
  const seconds = (Date.parse(finished) - Date.parse(started)) / 1000;
  const document = {
    backup: id,
    state,
    bytes: { read: sizes.read, stored: sizes.stored, new: sizes.new },
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
    ...missing.map(({ kind, name, remedy }) => `Missing: ${kind} ${name} (${remedy})`),
  ];
  await printResult(document, { json, lines });
}
