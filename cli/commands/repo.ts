import { Command } from "commander";
import { repoCheckCommand } from "./repo-check.ts";
import { repoInitCommand } from "./repo-init.ts";
import { repoKeysCommand } from "./repo-keys.ts";
import { repoPinCommand } from "./repo-pin.ts";
import { repoPruneCommand } from "./repo-prune.ts";
import { repoReindexCommand } from "./repo-reindex.ts";
import { repoRightsCommand } from "./repo-rights.ts";
import { repoShowCommand } from "./repo-show.ts";
import { repoStatsCommand } from "./repo-stats.ts";
import { repoSyncCommand } from "./repo-sync.ts";

/** One file per verb: `repo-<verb>.ts`. */
const verbs = [
  repoCheckCommand,
  repoInitCommand,
  repoKeysCommand,
  repoPinCommand,
  repoPruneCommand,
  repoReindexCommand,
  repoRightsCommand,
  repoShowCommand,
  repoStatsCommand,
  repoSyncCommand,
];

export function repoCommand(signal: AbortSignal): Command {
  const command = new Command("repo").description("Creates repositories and looks after them.");
  for (const make of verbs) command.addCommand(make(signal));
  return command;
}
