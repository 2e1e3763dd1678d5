import { Command, InvalidArgumentError } from "commander";
import { openStore } from "../../agent/adapters.ts";
import { syncRepository } from "../../agent/sync/sync-repository.ts";
import type { SyncResult } from "../../agent/sync/sync-result.ts";
import { parseDuration } from "../../core/duration.ts";
import { DbctlError, exitCodes } from "../../core/errors.ts";
import { operatorName } from "../direct/operator.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { formatBytes } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { jsonOption } from "./options.ts";
import {
  capsOf,
  downloadLimitOption,
  type TransferFlags,
  uploadLimitOption,
} from "./transfer-options.ts";

interface SyncFlags extends TransferFlags {
  dryRun: boolean;
  newerThan?: number;
  instance?: string[];
  database?: string[];
  backup?: string[];
  parallel: number;
  deleteExtraneous: boolean;
  confirm: boolean;
  json: boolean;
  signal: AbortSignal;
}

export function repoSyncCommand(signal: AbortSignal): Command {
  return new Command("sync")
    .description("Copies a repository to another store, sealed as it is. Needs no key.")
    .argument("<from-url>", "the repository, for example file:///backups")
    .argument("<to-url>", "an empty place, or an earlier copy of the same repository")
    .option("--dry-run", "only say what would be copied", false)
    .option("--newer-than <age>", "backups that began within it, for example 30d", parseAge)
    .option("--instance <id>", "backups of this server; may be repeated", collect)
    .option("--database <host/database>", "backups of this database; may be repeated", collect)
    .option("--backup <id>", "this backup; may be repeated", collect)
    .option("--parallel <n>", "objects on their way at once", parseParallel, 8)
    .option("--delete-extraneous", "also remove what a prune has removed from the source", false)
    .option("--confirm", "with --delete-extraneous: yes, remove it", false)
    .addOption(uploadLimitOption)
    .addOption(downloadLimitOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nGoes on where an earlier run was cut short. What the copy has is never replaced." +
        "\nOf a part of the backups, check the copy with dbctl repo check --partial-copy." +
        "\n\nExamples:\n  dbctl repo sync file:///backups file:///mnt/copy" +
        "\n  dbctl repo sync s3://backups/prod gs://elsewhere/prod --newer-than 30d --parallel 16",
    )
    .action(async (from: string, to: string, flags: Omit<SyncFlags, "signal">) => {
      await sync(from, to, { ...flags, signal });
    });
}

function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}

function parseAge(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

const mostParallel = 64;

function parseParallel(text: string): number {
  const parallel = Number(text);
  if (Number.isInteger(parallel) && parallel >= 1 && parallel <= mostParallel) return parallel;
  throw new InvalidArgumentError(`expected a whole number from 1 to ${mostParallel}`);
}

async function sync(fromUrl: string, toUrl: string, flags: SyncFlags): Promise<void> {
  const { dryRun: isDryRun, deleteExtraneous, confirm, parallel, json, signal } = flags;
  if (deleteExtraneous && !confirm && !isDryRun)
    throw new DbctlError("usage", "Cannot remove backups from the copy: it is not confirmed", {
      remedy: "Look at it with --dry-run, then add --confirm",
    });
  const caps = capsOf(flags);
  const { store: from, repository } = await openRepositoryUrl(fromUrl, { caps, signal });
  const to = await openStore(toUrl, { caps, signal });
  if (from.url === to.url)
    throw new DbctlError("usage", "Cannot copy a repository to itself", {
      remedy: "Name another place for the copy",
    });
  const at = new Date();
  const { newerThan: age, instance: instances, database: databases, backup: backups } = flags;
  const newerThan = age === undefined ? undefined : new Date(at.getTime() - age * 1000);
  using progress = new Progress();
  progress.begin(`copying to ${to.url}`);
  const result = await syncRepository({
    from,
    to,
    repository,
    parallel,
    isDryRun,
    deletesExtraneous: deleteExtraneous,
    at,
    by: operatorName(),
    signal,
    filter: { newerThan, instances, databases, backups },
    onBytes: (bytes) => progress.add(bytes),
  });
  progress[Symbol.dispose]();
  const ok = result.failures.length === 0;
  const error = ok ? {} : { error: errorOf(from.url, result.failures.length) };
  const document = {
    ok,
    repository: repository.id,
    from: from.url,
    to: to.url,
    ...result,
    ...error,
  };
  await printResult(document, { json, lines: describe(result, to.url) });
  if (!ok) process.exitCode = exitCodes["repository-damaged"];
}

function errorOf(from: string, failures: number) {
  const remedy = "Look at the objects that are named, with dbctl repo check of both repositories";
  const message = `Cannot copy all of ${from}: ${failures} objects were not copied`;
  return { code: "repository-damaged", message, remedy };
}

function describe(result: SyncResult, to: string): string[] {
  const { copied, present, backups, removed, kept, failures, ownMarks, isDryRun } = result;
  const count = (state: string) => backups.filter((backup) => backup.state === state).length;
  const [did, gone] = isDryRun ? ["Would copy", "would be removed"] : ["Copied", "removed"];
  return [
    `${did} ${copied.objects} objects, ${formatBytes(copied.bytes)}, to ${to}; ` +
      `${present.objects} objects, ${formatBytes(present.bytes)} were there.`,
    `Backups: ${count("copied")} new, ${count("present")} were there, ` +
      `${count("gone")} removed from the source, ${count("removed")} from the copy, ` +
      `${count("failed")} not copied.`,
    ...(removed.length === 0
      ? []
      : [`${removed.length} objects ${gone} as a prune did in the source.`]),
    ...kept.map(({ object, what }) => `Kept: ${object}: ${what}`),
    ...ownMarks.map((name) => `Not marked anew: ${name} has marks of its own in the copy.`),
    ...failures.map(({ object, what }) => `Not copied: ${object}: ${what}`),
    ...(result.isPartial && !isDryRun
      ? ["It holds a part of the backups: check it with dbctl repo check --partial-copy."]
      : []),
  ];
}
