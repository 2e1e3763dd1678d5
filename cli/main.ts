import { Command, CommanderError } from "commander";
import { DbctlError, exitCodes } from "../core/errors.ts";
import { agentsCommand } from "./commands/agents.ts";
import { alertsCommand } from "./commands/alerts.ts";
import { backupCommand } from "./commands/backup.ts";
import { backupsCommand } from "./commands/backups.ts";
import { databasesCommand } from "./commands/databases.ts";
import { jobsCommand } from "./commands/jobs.ts";
import { loginCommand } from "./commands/login.ts";
import { policiesCommand } from "./commands/policies.ts";
import { repoCommand } from "./commands/repo.ts";
import { restoreCommand } from "./commands/restore.ts";
import { statusCommand } from "./commands/status.ts";
import { usersCommand } from "./commands/users.ts";
import { verifyCommand } from "./commands/verify.ts";
import { reportError } from "./output/report-error.ts";
import { readVersion } from "../core/version.ts";

const interrupt = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    // The second one does not wait for anything any more.
    if (interrupt.signal.aborted) process.exit(exitCodes.interrupted);
    interrupt.abort(
      new DbctlError("interrupted", `Cannot go on: interrupted by ${name}`, {
        remedy: "Run the same command again; chunks that were stored already are not stored twice",
      }),
    );
  });
}
process.exitCode = await main(process.argv, interrupt.signal);

/** Runs one command line. Gives the exit code; never rejects. */
async function main(argv: string[], signal: AbortSignal): Promise<number> {
  const json = argv.includes("--json");
  try {
    await createProgram(signal).parseAsync(argv);
    // A command that has a result to show and yet failed has set the code itself.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return reportUsage(error, { json });
    return reportError(signal.aborted ? signal.reason : error, { json });
  }
}

/** Help and version are no errors; all else is our way of saying what commander has found. */
function reportUsage(error: CommanderError, { json }: { json: boolean }): number {
  if (error.exitCode === 0) return 0;
  // Commander prints the help by itself when a command is named without its verb.
  if (error.code === "commander.help") return exitCodes.usage;
  const what = error.message.replace(/^error: /, "").replaceAll("\n", " ");
  const remedy = "Run the command with --help to see its arguments, options and an example";
  return reportError(new DbctlError("usage", `Cannot run dbctl: ${what}`, { remedy }), { json });
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
    verifyCommand,
    backupsCommand,
    statusCommand,
    jobsCommand,
    databasesCommand,
    policiesCommand,
    alertsCommand,
  ]) {
    const command = make(signal).copyInheritedSettings(program);
    for (const verb of command.commands) verb.copyInheritedSettings(program);
    program.addCommand(command);
  }
  return program;
}
