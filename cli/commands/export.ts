import { Command, Option } from "commander";
import { createExporter } from "../../agent/adapters.ts";
import type { RowForm } from "../../agent/engines/export/exporter.ts";
import {
  exportBackup,
  type ExportEvent,
  type ExportResult,
} from "../../agent/export/export-backup.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { KeyFlags } from "../direct/held-keys.ts";
import { openBackupByName } from "../direct/open-repository-url.ts";
import { formatBytes, formatSeconds } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import {
  deletedOption,
  directRepoOption,
  identityOption,
  jsonOption,
  passphraseOption,
  requireRepo,
} from "./options.ts";

interface ExportFlags extends KeyFlags {
  repo?: string;
  format: RowForm;
  to: string;
  include: string[];
  exclude: string[];
  /** Commander's name for `--allow-no-match`. */
  allowNoMatch: boolean;
  deleted: boolean;
  json: boolean;
}

const patternOf = (text: string, all: string[]) => [...all, text];

export function exportCommand(signal: AbortSignal): Command {
  return new Command("export")
    .description(
      "Writes a backup as SQL that the product's own client loads, or as CSV or JSON lines.",
    )
    .argument("<backup>", "an id, latest, or host/db:latest")
    .addOption(directRepoOption)
    .addOption(identityOption)
    .addOption(passphraseOption)
    .addOption(
      new Option("--format <format>", "one script; or a folder with a file for each table")
        .choices(["sql", "csv", "jsonl"])
        .default("sql"),
    )
    .requiredOption("--to <path>", "the file of sql, the folder of csv and jsonl; not there yet")
    .option("--include <pattern>", "only the rows of these tables; may be repeated", patternOf, [])
    .option("--exclude <pattern>", "not the rows of these tables; may be repeated", patternOf, [])
    .option("--allow-no-match", "a pattern may match no table", false)
    .addOption(deletedOption)
    .addOption(jsonOption)
    .addHelpText("after", help)
    .action(async (name: string, flags: ExportFlags) => await run(name, flags, signal));
}

const help = `
Patterns are for schema.table, or for the table's name in every schema: * ? [a-z].
The schema is always written whole. The result is in clear: keep it as safe as the database.

Examples:
  dbctl export latest --repo file:///backups --identity identity.txt --to shop.sql
  psql -X -v ON_ERROR_STOP=1 -d empty_database -f shop.sql
  mariadb --binary-mode --comments empty_database < shop.sql
  dbctl export latest --repo file:///backups --identity identity.txt \\
    --format csv --include 'shop.order*' --to orders`;

async function run(name: string, flags: ExportFlags, signal: AbortSignal): Promise<void> {
  const { format: form, to, json } = flags;
  const startedAt = performance.now();
  const backup = await openBackupByName(name, { ...flags, repo: requireRepo(flags.repo), signal });
  const { include, exclude, allowNoMatch } = flags;
  const selection = { include, exclude, allowNoMatch };
  const result = await follow(
    exportBackup(
      { backup, exporterOf: ({ facts }) => createExporter(facts) },
      { form, to, ...selection, signal },
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const { id, state, source } = backup.header;
  const rows = result.tables.reduce((sum, table) => sum + table.rows, 0);
  const document = { backup: id, state, source, format: form, to, rows, ...result, seconds };
  await printResult(document, { json, lines: describe({ id, state, to, rows, seconds }, result) });
}

interface Told {
  id: string;
  state: string;
  to: string;
  rows: number;
  seconds: number;
}

function describe({ id, state, to, rows, seconds }: Told, result: ExportResult): string[] {
  const { tables, leftOut, bytes } = result;
  const size = `${formatBytes(bytes)}, ${formatSeconds(seconds)}`;
  const lines = [
    `Backup ${id}, a ${state} one, is written to ${to}.`,
    `${tables.length} tables, ${rows} rows; every digest is the backup's. ${size}.`,
  ];
  if (leftOut.length > 0)
    lines.push(
      `Without the rows of ${leftOut.length} tables (${leftOut.slice(0, 5).join(", ")}` +
        `${leftOut.length > 5 ? ", …" : ""}); foreign keys are not validated.`,
    );
  return lines;
}

async function follow(events: AsyncIterable<ExportEvent>): Promise<ExportResult> {
  using progress = new Progress();
  for await (const event of events) {
    switch (event.kind) {
      case "checked":
        progress.begin(`exporting ${event.tables} tables`, event.bytes);
        break;
      case "table-begun":
        break;
      case "written":
        progress.add(event.bytes);
        break;
      case "finished":
        return event.result;
      default:
        return unreachable(event);
    }
  }
  throw new Error("Cannot report the export: it ended without a result");
}
