import { Command } from "commander";
import { createEngine, parseTarget, resolvePassword } from "../../agent/adapters.ts";
import { restoreBackup, type RestoreEvent } from "../../agent/restore/restore-backup.ts";
import { unreachable } from "../../core/unreachable.ts";
import { openLane } from "../direct/open-lane.ts";
import { openBackupByName } from "../direct/open-repository-url.ts";
import { formatSeconds } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { identityOption, jobsOption, jsonOption, repoOption } from "./options.ts";

interface RestoreFlags {
  repo: string;
  identity: string;
  to: string;
  create: boolean;
  jobs: number;
  json: boolean;
  signal: AbortSignal;
}

export function restoreCommand(signal: AbortSignal): Command {
  return new Command("restore")
    .description("Restores a backup into a database, and proves every table by its digest.")
    .argument("<backup>", "an id, latest, or host/db:latest")
    .addOption(repoOption)
    .addOption(identityOption)
    .requiredOption("--to <database-url>", "the database to restore into: empty, or not there yet")
    .option("--create", "create the database; it must not exist", false)
    .addOption(jobsOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  dbctl restore latest --repo file:///backups --identity identity.txt \\" +
        "\n    --to 'postgres:///shop_restored?host=/run/postgresql' --create",
    )
    .action(async (name: string, flags: Omit<RestoreFlags, "signal">) => {
      await restore(name, { ...flags, signal });
    });
}

async function restore(name: string, flags: RestoreFlags): Promise<void> {
  const { repo, to, create, jobs, json, signal } = flags;
  const startedAt = performance.now();
  const target = parseTarget(to);
  const password = await resolvePassword(target, process.env);
  const backup = await openBackupByName(name, flags);
  const engine = createEngine(target, password);
  const events = restoreBackup(
    {
      engine,
      backup,
      openLane: (epoch) => {
        const use = { kind: "restore", epoch } as const;
        return openLane({ target, password, storeUrl: repo, use }, { signal });
      },
    },
    { create, jobs, signal },
  );
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
