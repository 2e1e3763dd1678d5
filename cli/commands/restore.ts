import { Command, Option } from "commander";
import { parseTarget, resolvePassword } from "../../agent/adapters.ts";
import { accessDatabase } from "../../agent/database-access.ts";
import { discardRestore } from "../../agent/restore/discard-restore.ts";
import type { RestoreCommands } from "../../agent/restore/end-failed-restore.ts";
import type { RestoreEvent } from "../../agent/restore/restore-backup.ts";
import { startRestore } from "../../agent/restore/start-restore.ts";
import { DbctlError } from "../../core/errors.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { openBackupByName } from "../direct/open-repository-url.ts";
import { formatCommandLine } from "../output/command-line.ts";
import { formatSeconds } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { restoreFleet } from "./fleet-restore.ts";
import {
  deletedOption,
  directRepoOption,
  identityOption,
  isUrl,
  jobsOption,
  jsonOption,
  passphraseOption,
  requireRepo,
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

interface RestoreFlags extends KeyFlags, TransferFlags {
  to: string;
  create: boolean;
  resume: boolean;
  discard: boolean;
  deleted: boolean;
  jobs: number;
  wait: boolean;
  json: boolean;
}

type DirectFlags = RestoreFlags & { repo: string; signal: AbortSignal };

export function restoreCommand(signal: AbortSignal): Command {
  return new Command("restore")
    .description("Restores a backup into a database, and proves every table by its digest.")
    .argument("<backup>", "an id or host/db:latest; of a repository also latest")
    .addOption(directRepoOption)
    .addOption(identityOption)
    .addOption(passphraseOption)
    .requiredOption("--to <database>", "a URL, or host/database: empty, or not there yet")
    .option("--create", "create the database; it must not exist", false)
    .option("--resume", "go on with a restore of this backup that was cut short", false)
    .addOption(discardOption)
    .addOption(deletedOption)
    .addOption(jobsOption)
    .addOption(uploadLimitOption)
    .addOption(downloadLimitOption)
    .addOption(waitOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  dbctl restore latest --repo file:///backups --identity identity.txt \\" +
        "\n    --to 'postgres:///shop_restored?host=/run/postgresql' --create" +
        "\n  dbctl restore 20261120T101530Z-k3v9x0ap --identity identity.txt \\" +
        "\n    --to db8/shop_restored --create --wait" +
        "\n\nWhat a restore has done is kept in a journal in the target, until it has ended well. One" +
        "\nthat was cut short goes on with --resume, or is dropped with --discard. A restore of the" +
        "\nfleet that is asked for again goes on by itself.",
    )
    .action(async (name: string, asked: RestoreFlags & { repo?: string }, command: Command) => {
      const { repo, ...flags } = asked;
      if (isUrl(flags.to)) {
        const direct = { ...flags, repo: requireRepo(repo), signal };
        return flags.discard ? await discard(name, direct) : await restore(name, direct);
      }
      refuseForFleet(flags);
      refuseTransferOptions(command);
      const here = repo === undefined ? {} : { repo };
      await restoreFleet(name, { ...flags, ...here, signal });
    });
}

const discardOption = new Option(
  "--discard",
  "instead of restoring: drop the database that a restore of this backup left unfinished",
)
  .default(false)
  .conflicts(["create", "resume"]);

function refuseForFleet({ to, resume, discard }: RestoreFlags): void {
  if (!resume && !discard) return;
  const flag = resume ? "--resume" : "--discard";
  throw new DbctlError("usage", `Cannot restore into "${to}": ${flag} is for database URLs`, {
    remedy: "Leave it out: a restore of the fleet that is asked for again goes on by itself",
  });
}

async function restore(name: string, flags: DirectFlags): Promise<void> {
  const { repo, to, create, jobs, json, signal } = flags;
  const resume = flags.resume ? "must" : "never";
  const startedAt = performance.now();
  const target = parseTarget(to);
  const password = await resolvePassword(target, process.env);
  const caps = capsOf(flags);
  const backup = await openBackupByName(name, { ...flags, caps });
  const database = accessDatabase(target, password, caps);
  const commands = commandsFor(backup.header.id, flags);
  const options = { create, resume, jobs, commands, signal } as const;
  const events = startRestore({ database, backup, storeUrl: repo }, options);
  const { tables, rows, parts, resumedParts } = await follow(
    events,
    describeLimit("reading", flags.downloadLimit),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const { id, state, source } = backup.header;
  const document = {
    backup: id,
    state,
    source,
    tables,
    rows: Number(rows),
    parts,
    resumedParts,
    verified: true,
    seconds,
  };
  const lines = [
    `Backup ${id} of ${source.host}/${source.database} is restored, from a ${state} backup.`,
    ...(flags.resume ? [`${resumedParts} of its ${parts} parts were loaded already.`] : []),
    `${tables} tables, ${rows} rows; every digest is the backup's. ${formatSeconds(seconds)}.`,
  ];
  await printResult(document, { json, lines });
}

function commandsFor(id: string, flags: DirectFlags): RestoreCommands {
  const { repo, to, jobs, identity, passphraseFile } = flags;
  const files = identity === undefined ? [] : [identity].flat();
  const words = ["dbctl", "restore", id, "--repo", repo];
  if (flags.deleted) words.push("--deleted");
  for (const file of files) words.push("--identity", file);
  if (passphraseFile !== undefined) words.push("--passphrase-file", passphraseFile);
  words.push("--to", to);
  const resume = formatCommandLine([...words, "--jobs", String(jobs), "--resume"]);
  return { resume, discard: formatCommandLine([...words, "--discard"]) };
}

async function discard(name: string, flags: DirectFlags): Promise<void> {
  const { to, json, signal } = flags;
  const target = parseTarget(to);
  const password = await resolvePassword(target, process.env);
  const backup = await openBackupByName(name, flags);
  const { engine } = accessDatabase(target, password);
  await discardRestore({ engine, backup }, { signal });
  const document = { backup: backup.header.id, discarded: true };
  const lines = [`What the restore of ${document.backup} had left is dropped, with its database.`];
  await printResult(document, { json, lines });
}

async function follow(
  events: AsyncIterable<RestoreEvent>,
  limit: string,
): Promise<RestoreEvent & { kind: "finished" }> {
  using progress = new Progress();
  let bytes = 0;
  for await (const event of events) {
    switch (event.kind) {
      case "checked":
        bytes = event.bytes;
        break;
      case "section-begun":
        progress.begin(`${event.section}: ${event.objects} objects`);
        break;
      case "loading-begun":
        progress.begin(`loading${limit}`, event.bytes);
        break;
      case "comparing-begun":
        progress.begin("comparing", bytes);
        break;
      case "part-loaded":
      case "part-compared":
        progress.add(event.bytes);
        break;
      case "finished":
        return event;
      default:
        return unreachable(event);
    }
  }
  throw new Error("Cannot report the restore: it ended without a result");
}
