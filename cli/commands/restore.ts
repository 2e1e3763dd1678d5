import { Command } from "commander";
import { parseTarget, resolvePassword } from "../../agent/adapters.ts";
import { accessDatabase } from "../../agent/database-access.ts";
import type { RestoreEvent } from "../../agent/restore/restore-backup.ts";
import { startRestore } from "../../agent/restore/start-restore.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { openBackupByName } from "../direct/open-repository-url.ts";
import { formatSeconds } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { restoreFleet } from "./fleet-restore.ts";
import {
  directRepoOption,
  identityOption,
  isUrl,
  jobsOption,
  jsonOption,
  passphraseOption,
  requireRepo,
  waitOption,
} from "./options.ts";

interface RestoreFlags extends KeyFlags {
  to: string;
  create: boolean;
  jobs: number;
  wait: boolean;
  json: boolean;
}

type DirectFlags = RestoreFlags & { repo: string; signal: AbortSignal };

export function restoreCommand(signal: AbortSignal): Command {
  return new Command("restore")
    .description("Restores a backup into a database, and proves every table by its digest.")
    .argument("<backup>", "an id; of a repository also latest, or host/db:latest")
    .addOption(directRepoOption)
    .addOption(identityOption)
    .addOption(passphraseOption)
    .requiredOption("--to <database>", "a URL, or host/database: empty, or not there yet")
    .option("--create", "create the database; it must not exist", false)
    .addOption(jobsOption)
    .addOption(waitOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  dbctl restore latest --repo file:///backups --identity identity.txt \\" +
        "\n    --to 'postgres:///shop_restored?host=/run/postgresql' --create" +
        "\n  dbctl restore 20261120T101530Z-k3v9x0ap --identity identity.txt \\" +
        "\n    --to db8/shop_restored --create --wait",
    )
    .action(async (name: string, { repo, ...flags }: RestoreFlags & { repo?: string }) => {
      if (isUrl(flags.to))
        return await restore(name, { ...flags, repo: requireRepo(repo), signal });
      const here = repo === undefined ? {} : { repo };
      await restoreFleet(name, { ...flags, ...here, signal });
    });
}

async function restore(name: string, flags: DirectFlags): Promise<void> {
  const { repo, to, create, jobs, json, signal } = flags;
  const startedAt = performance.now();
  const target = parseTarget(to);
  const password = await resolvePassword(target, process.env);
  const backup = await openBackupByName(name, flags);
  const database = accessDatabase(target, password);
  const events = startRestore({ database, backup, storeUrl: repo }, { create, jobs, signal });
  const { tables, rows } = await follow(events);
  const seconds = (performance.now() - startedAt) / 1000;
  const { id, state, source } = backup.header;
  const document = {
    backup: id,
    state,
    source,
    tables,
    rows: Number(rows),
    verified: true,
    seconds,
  };
  const lines = [
    `Backup ${id} of ${source.host}/${source.database} is restored, from a ${state} backup.`,
    `${tables} tables, ${rows} rows; every digest is the backup's. ${formatSeconds(seconds)}.`,
  ];
  await printResult(document, { json, lines });
}

async function follow(
  events: AsyncIterable<RestoreEvent>,
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
        progress.begin("loading", bytes);
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
