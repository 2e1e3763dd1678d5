import { Command, Option } from "commander";
import { createExporter } from "../../agent/adapters.ts";
import type { BackupBody } from "../../agent/backup/backup-body.ts";
import type { RowForm } from "../../agent/engines/export/exporter.ts";
import {
  exportBackup,
  type ExportEvent,
  type ExportResult,
} from "../../agent/export/export-backup.ts";
import { DbctlError } from "../../core/errors.ts";
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
} from "./options.ts";
import { capsOf, downloadLimitOption, type TransferFlags } from "./transfer-options.ts";

interface ExportFlags extends KeyFlags, TransferFlags {
  repo?: string;
  format: RowForm;
  to: string;
  include?: string[];
  exclude?: string[];
  /** Commander's name for `--allow-no-match`. */
  allowNoMatch: boolean;
  /** Commander's names for `--no-owner` and `--no-privileges`. */
  owner: boolean;
  privileges: boolean;
  deleted: boolean;
  dryRun: boolean;
  json: boolean;
}

const patternOf = (text: string, all: string[] = []) => [...all, text];

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
    .option("--include <pattern>", "only the rows of these tables; may be repeated", patternOf)
    .option("--exclude <pattern>", "not the rows of these tables; may be repeated", patternOf)
    .option("--allow-no-match", "a pattern may match no table", false)
    .addOption(downloadLimitOption)
    .addOption(deletedOption)
    .option("--no-owner", "leave owners out: all will belong to who loads it")
    .option("--no-privileges", "leave GRANT and REVOKE out")
    .option("--dry-run", "say what would be written, and write nothing", false)
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
  const { repo, format: form, to, dryRun, json } = flags;
  if (repo === undefined) throw noRepository();
  const startedAt = performance.now();
  const backup = await openBackupByName(name, { ...flags, repo, caps: capsOf(flags), signal });
  const { include = [], exclude = [], owner: owners } = flags;
  const options = { ...flags, include, exclude, owners, form, signal };
  const parts = { backup, exporterOf: ({ facts }: BackupBody) => createExporter(facts) };
  const last = await follow(exportBackup(parts, options), dryRun);
  const { id, state, source } = backup.header;
  const told = { backup: id, state, source, format: form, to };
  if (last.kind === "checked") {
    const { tables, bytes } = last;
    const line = `Backup ${id} would be written to ${to}: ${tables} tables, ${formatBytes(bytes)} of rows.`;
    await printResult({ ...told, tables, bytes, dryRun }, { json, lines: [line] });
    return;
  }
  const { result } = last;
  const seconds = (performance.now() - startedAt) / 1000;
  const rows = result.tables.reduce((sum, table) => sum + table.rows, 0);
  const document = { ...told, rows, ...result, seconds };
  await printResult(document, { json, lines: describe({ id, state, to, rows, seconds }, result) });
}

function noRepository(): DbctlError {
  return new DbctlError("usage", "Cannot export: --repo is missing", {
    remedy: "Add --repo file:///…, or set DBCTL_REPO",
  });
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

type Ended = ExportEvent & { kind: "checked" | "finished" };

async function follow(events: AsyncIterable<ExportEvent>, dryRun: boolean): Promise<Ended> {
  using progress = new Progress();
  for await (const event of events) {
    switch (event.kind) {
      case "checked":
        if (dryRun) return event;
        progress.begin(`exporting ${event.tables} tables`, event.bytes);
        break;
      case "table-begun":
        break;
      case "written":
        progress.add(event.bytes);
        break;
      case "finished":
        return event;
      default:
        return unreachable(event);
    }
  }
  throw new Error("Cannot report the export: it ended without a result");
}
