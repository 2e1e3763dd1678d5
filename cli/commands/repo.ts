import { Command } from "commander";
import { repoInitCommand } from "./repo-init.ts";

/** One file per verb: `repo-<verb>.ts`. */
const verbs = [repoInitCommand];

export function repoCommand(signal: AbortSignal): Command {
  const command = new Command("repo").description("Creates repositories.");
  for (const make of verbs) command.addCommand(make(signal));
  return command;
}
