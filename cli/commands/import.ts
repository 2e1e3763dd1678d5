import { Command, Option } from "commander";
import {
  createEngine,
  createScriptTarget,
  databaseOf,
  parseServer,
  parseTarget,
  resolvePassword,
  type Target,
} from "../../agent/adapters.ts";
import { importDump, type ImportEvent } from "../../agent/import/import-dump.ts";
import { openDump } from "../../agent/import/open-dump.ts";
import type { Dialect, Survey } from "../../agent/import/statement.ts";
import { DbctlError } from "../../core/errors.ts";
import { formatBytes, formatSeconds } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { checkDump } from "./check-dump.ts";
import { jobsOption, jsonOption } from "./options.ts";

interface ImportFlags {
  to?: string;
  check: boolean;
  deep: boolean;
  dryRun: boolean;
  create: boolean;
  databases: boolean;
  dialect?: Dialect;
  owner: boolean;
  privileges: boolean;
  allowSuperuser: boolean;
  jobs: number;
  json: boolean;
  signal: AbortSignal;
}

export function importCommand(signal: AbortSignal): Command {
  return new Command("import")
    .description("Imports a dump of pg_dump, pg_dumpall, mysqldump or mariadb-dump.")
    .argument(
      "<file>",
      "plain SQL, as it is or in gzip or zstd; or an archive of pg_dump -Fc, -Fd, -Ft",
    )
    .option("--to <url>", "the database: empty, or not there yet")
    .option("--create", "create the database; it must not exist", false)
    .option("--databases", "import each database of the dump into one of its own name", false)
    .option("--check", "only look whether the dump is whole, and tell what is in it", false)
    .option("--deep", "with --check: also expand every part of an archive", false)
    .option("--dry-run", "look at dump and target, and say what would be done", false)
    .option("--no-owner", "leave out owners: everything belongs to the importing user")
    .option("--no-privileges", "leave out GRANT and REVOKE")
    .option("--allow-superuser", "run the dump's SQL, which is code, as a superuser", false)
    .addOption(
      new Option("--dialect <product>", "for a script that does not show it").choices([
        "postgres",
        "mysql",
      ]),
    )
    .addOption(jobsOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nA dump is read to its end before any of it runs. One that is cut short or holds client" +
        "\ncommands is refused, and nothing is run." +
        "\n\nExamples:\n  dbctl import --check shop.sql.gz" +
        "\n  dbctl import shop.sql.gz --to postgres://importer@db8/shop --create",
    )
    .action(async (path: string, flags: Omit<ImportFlags, "signal">) => {
      if (flags.check) await checkDump(path, { ...flags, signal });
      else await importFile(path, { ...flags, signal });
    });
}

async function importFile(path: string, flags: ImportFlags): Promise<void> {
  const { databases, dryRun, owner, json, signal } = flags;
  const startedAt = performance.now();
  const server = parseDatabase(flags);
  const password = await resolvePassword(server, process.env);
  const dialect = flags.dialect ?? server.engine;
  const source = await openDump(path, { dialect, signal });
  using progress = new Progress();
  const onRead = (bytes: number) => progress.add(bytes);
  const parts = {
    path,
    source,
    target: createScriptTarget(server, password),
    engineOf: (database: string) => createEngine(databaseOf(server, database), password),
    database: server.target.database,
  };
  const events = importDump(parts, { ...flags, owners: owner, databases, signal, onRead });
  const last = await follow(events, { progress, dryRun });
  progress[Symbol.dispose]();
  const seconds = (performance.now() - startedAt) / 1000;
  if (last.kind === "finished") await tellImported(last, { path, json, seconds });
  else await tellPlan(last, { path, json });
}

type Told = ImportEvent & { kind: "surveyed" | "finished" };

async function follow(
  events: AsyncIterable<ImportEvent>,
  { progress, dryRun }: { progress: Progress; dryRun: boolean },
): Promise<Told> {
  for await (const event of events) {
    if (event.kind === "surveying") progress.begin("looking at the dump", event.fileBytes);
    else if (event.kind === "finished") return event;
    else if (dryRun) return event;
    else progress.begin("importing", event.survey.fileBytes);
  }
  throw new Error("Cannot report the import: it ended without a result");
}

interface Telling {
  path: string;
  json: boolean;
}

async function tellImported(
  { survey, into, statements, rows, leftOut }: Told & { kind: "finished" },
  { path, json, seconds }: Telling & { seconds: number },
): Promise<void> {
  const tables = survey.tables.length;
  const document = { file: path, into, tables, rows, statements, leftOut, seconds };
  const out = Object.entries(leftOut).map(([why, count]) => `  ${count} not run: ${why}`);
  const lines = [
    `${path} is imported into ${into.join(", ")}.`,
    `${tables} tables, ${rows} rows, ${statements} statements. ${formatSeconds(seconds)}.`,
    ...out,
  ];
  await printResult(document, { json, lines });
}

async function tellPlan(
  { survey, into }: Told & { kind: "surveyed" },
  { path, json }: Telling,
): Promise<void> {
  const { tables, bytes } = survey;
  const rows = countRows(survey);
  const document = { file: path, into, tables: tables.length, rows, bytes, dryRun: true };
  const what = `${tables.length} tables, ${rows} rows, ${formatBytes(bytes)} of SQL`;
  const lines = [
    `${path} would be imported into ${into.join(", ")}: ${what}.`,
    "Nothing was done.",
  ];
  await printResult(document, { json, lines });
}

function countRows({ tables }: Survey): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}

/** With --databases the URL may leave the database out: the dump names them. */
function parseDatabase({ to, databases }: ImportFlags): Target {
  if (to !== undefined) return databases ? parseServer(to) : parseTarget(to);
  throw new DbctlError("usage", "Cannot import: --to is missing", {
    remedy: "Add --to postgres://user@host/database, or --check to look at the dump only",
  });
}
