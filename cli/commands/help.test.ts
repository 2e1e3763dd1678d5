import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { agentsCommand } from "./agents.ts";
import { alertsCommand } from "./alerts.ts";
import { backupCommand } from "./backup.ts";
import { backupsCommand } from "./backups.ts";
import { databasesCommand } from "./databases.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { jobsCommand } from "./jobs.ts";
import { loginCommand } from "./login.ts";
import { policiesCommand } from "./policies.ts";
import { repoCommand } from "./repo.ts";
import { restoreCommand } from "./restore.ts";
import { retentionCommand } from "./retention.ts";
import { statusCommand } from "./status.ts";
import { usersCommand } from "./users.ts";
import { verifyCommand } from "./verify.ts";

const { signal } = new AbortController();

const commands = [
  agentsCommand,
  alertsCommand,
  backupCommand,
  backupsCommand,
  databasesCommand,
  exportCommand,
  importCommand,
  jobsCommand,
  loginCommand,
  policiesCommand,
  repoCommand,
  restoreCommand,
  retentionCommand,
  statusCommand,
  usersCommand,
  verifyCommand,
].map((make) => make(signal));

test("every command's help ends with an example, and it takes --json", () => {
  const verbs = commands.flatMap(leaves);
  assert.ok(verbs.length > 40, `only ${verbs.length} commands were found`);
  for (const verb of verbs) {
    const path = pathOf(verb);
    assert.match(helpOf(verb), new RegExp(`Examples?:\\n(.*\\n)*.*${path}`), `dbctl ${path}`);
    const flags = verb.options.map(({ long }) => long);
    assert.ok(flags.includes("--json"), `dbctl ${path} takes no --json`);
  }
});

test("no option takes several values beside arguments, for it would take those as well", () => {
  const verbs = commands.flatMap(leaves).filter((verb) => verb.registeredArguments.length > 0);
  for (const verb of verbs)
    for (const option of verb.options)
      assert.ok(!option.variadic, `dbctl ${pathOf(verb)} ${option.flags}`);
});

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** All of the help, with what was added after the options. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (more) => (text += more) });
  command.outputHelp();
  return text;
}
