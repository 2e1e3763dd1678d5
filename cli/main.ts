import { Command, CommanderError } from "commander";
import { DbctlError, exitCodes } from "../core/errors.ts";
import { backupCommand } from "./commands/backup.ts";
import { backupsCommand } from "./commands/backups.ts";
import { repoCommand } from "./commands/repo.ts";
import { restoreCommand } from "./commands/restore.ts";
import { verifyCommand } from "./commands/verify.ts";
import { reportError } from "./output/report-error.ts";
import { readVersion } from "./version.ts";

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
  try {
    await createProgram(signal).parseAsync(argv);
    // A command that has a result to show and yet failed has set the code itself.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // Commander has printed its own message (or the help that was asked for) already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    return reportError(signal.aborted ? signal.reason : error, { json: argv.includes("--json") });
  }
}

function createProgram(signal: AbortSignal): Command {
  const program = new Command("dbctl")
    .description("Backs up and restores PostgreSQL, MySQL and MariaDB.")
    .version(readVersion(), "-V, --version")
    .showHelpAfterError("Run with --help to see how it is used.")
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: true });
  const commands = [repoCommand, backupCommand, restoreCommand, verifyCommand, backupsCommand];
  for (const make of commands) program.addCommand(make(signal));
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    command.exitOverride();
  }
  return program;
}
