import { Command, CommanderError } from "commander";
import { DbctlError, exitCodes } from "../core/errors.ts";
import { agentsCommand } from "./commands/agents.ts";
import { alertsCommand } from "./commands/alerts.ts";
import { backupCommand } from "./commands/backup.ts";
import { backupsCommand } from "./commands/backups.ts";
import { databasesCommand } from "./commands/databases.ts";
import { exportCommand } from "./commands/export.ts";
import { importCommand } from "./commands/import.ts";
import { jobsCommand } from "./commands/jobs.ts";
import { loginCommand } from "./commands/login.ts";
import { policiesCommand } from "./commands/policies.ts";
import { repoCommand } from "./commands/repo.ts";
import { restoreCommand } from "./commands/restore.ts";
import { retentionCommand } from "./commands/retention.ts";
import { statusCommand } from "./commands/status.ts";
import { usersCommand } from "./commands/users.ts";
import { verifyCommand } from "./commands/verify.ts";
import { reportError } from "./output/report-error.ts";
import { readVersion } from "../core/version.ts";

/** A terminal and a wrapper may both pass one Ctrl-C on: within this time, two are one. */
const sameInterruptMs = 1000;

const json = process.argv.includes("--json");
const interrupt = new AbortController();
let interruptedAt = 0;
// SIGHUP as well: work in a terminal that is closed ends as cleanly as by Ctrl-C.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (!interrupt.signal.aborted) {
      interruptedAt = performance.now();
      interrupt.abort(interrupted(name));
      return;
    }
    if (performance.now() - interruptedAt < sameInterruptMs) return;
    // A later one does not wait for anything any more.
    void reportError(unfinished(name), { json }).then((code) => process.exit(code));
  });
}
// A terminal or reader that has gone is no reason to stop in the middle of the work; whether the
// result could be written is told where it is written.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
process.exitCode = await main(process.argv, interrupt.signal);

function interrupted(name: string): DbctlError {
  return new DbctlError("interrupted", `Cannot go on: interrupted by ${name}`, {
    remedy: "Run it again: nothing is stored twice",
  });
}

function unfinished(name: string): DbctlError {
  return new DbctlError("interrupted", `Cannot clean up: interrupted again by ${name}`, {
    remedy: "Look for the database of a restore: go on with it (--resume), or drop it (--discard)",
  });
}

/** Runs one command line. Gives the exit code; never rejects. */
async function main(argv: string[], signal: AbortSignal): Promise<number> {
  try {
    await createProgram(signal).parseAsync(argv);
    // A command that has a result to show and yet failed has set the code itself.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return await reportUsage(error);
    return await reportError(signal.aborted ? reasonOf(signal, error) : error, { json });
  }
}

/** Much else fails after an interrupt; of that, only what is left behind is news. */
function reasonOf({ reason }: AbortSignal, error: unknown): unknown {
  if (error instanceof DbctlError && error.code === "interrupted") return error;
  if (!(error instanceof AggregateError)) return reason;
  return new AggregateError([reason, ...error.errors.slice(1)]);
}

/** Help and version are no errors; all else is our way of saying what commander has found. */
async function reportUsage(error: CommanderError): Promise<number> {
  if (error.exitCode === 0) return 0;
  // Commander prints the help by itself when a command is named without its verb.
  if (error.code === "commander.help") return exitCodes.usage;
  const what = error.message.replace(/^error: /, "").replaceAll("\n", " ");
  const remedy = "Run the command with --help to see its arguments, options and an example";
  const refused = new DbctlError("usage", `Cannot run dbctl: ${what}`, { remedy });
  return await reportError(refused, { json });
}

function inheritSettings(command: Command, program: Command): void {
  command.copyInheritedSettings(program);
  for (const verb of command.commands) inheritSettings(verb, program);
}

function createProgram(signal: AbortSignal): Command {
  const program = new Command("dbctl")
    .description("Backs up and restores PostgreSQL, MySQL and MariaDB.")
    .version(readVersion(), "-V, --version")
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ sortSubcommands: true })
    .exitOverride();
  for (const make of [
    loginCommand,
    agentsCommand,
    usersCommand,
    repoCommand,
    backupCommand,
    restoreCommand,
    importCommand,
    verifyCommand,
    exportCommand,
    backupsCommand,
    retentionCommand,
    statusCommand,
    jobsCommand,
    databasesCommand,
    policiesCommand,
    alertsCommand,
  ]) {
    const command = make(signal);
    inheritSettings(command, program);
    program.addCommand(command);
  }
  return program;
}
